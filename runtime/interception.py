"""What server interceptors share: put something around a method's behaviour, whichever side streams."""

import inspect
from collections.abc import Callable
from typing import Any

import grpc


def wrapped(
    handler: grpc.RpcMethodHandler, unary: Callable[[Any], Any], streaming: Callable[[Any], Any]
) -> grpc.RpcMethodHandler:
    """The same method with another behaviour.

    Args:
        handler: the method; one that only the client streams is none of ours.
        unary: makes the coroutine that takes the place of one that answers once.
        streaming: makes the async generator that takes the place of one whose answers stream. Services that write
            their answers themselves (grpc.health's Watch) are coroutines and go through `unary`.
    """
    if handler.response_streaming and inspect.iscoroutinefunction(handler.unary_stream or handler.stream_stream):
        streaming = unary
    if not handler.response_streaming:
        behaviour, make = unary(handler.unary_unary), grpc.unary_unary_rpc_method_handler
    elif handler.request_streaming:
        behaviour, make = streaming(handler.stream_stream), grpc.stream_stream_rpc_method_handler
    else:
        behaviour, make = streaming(handler.unary_stream), grpc.unary_stream_rpc_method_handler
    return make(behaviour, handler.request_deserializer, handler.response_serializer)
