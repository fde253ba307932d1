"""Every method of ridgeway.v1 as a typed value, so that servers and clients exchange dataclasses, not generated types.

`handlers` makes what a gRPC server registers, `call` and its siblings what a client runs; neither does I/O by itself.
"""

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar, cast

import grpc

from ridgeway.proto import messages as m
from ridgeway.proto.codec import decode, decoder, encoder

Request = TypeVar("Request")
Response = TypeVar("Response")
Metadata = tuple[tuple[str, str | bytes], ...]


class Arity(Enum):
    """Which side streams."""

    UNARY = "unary_unary"
    RESPONSE_STREAM = "unary_stream"
    BOTH_STREAM = "stream_stream"


@dataclass(frozen=True, slots=True)
class Method(Generic[Request, Response]):
    """One RPC: where it is, who streams, and what travels."""

    service: str
    name: str
    request: type[Request]
    response: type[Response]
    arity: Arity = Arity.UNARY

    @property
    def path(self) -> str:
        """The HTTP/2 path of the method."""
        return f"/{self.service}/{self.name}"


ENROLMENT = "ridgeway.v1.Enrolment"
DESCRIBE = Method(ENROLMENT, "Describe", m.DescribeRequest, m.DescribeResponse)
ENROL = Method(ENROLMENT, "Enrol", m.EnrolRequest, m.EnrolResponse)

FEDERATION = "ridgeway.v1.Federation"
CONTRIBUTE = Method(FEDERATION, "Contribute", m.ContributeRequest, m.ContributeResponse, Arity.BOTH_STREAM)
WITHDRAW = Method(FEDERATION, "Withdraw", m.SignedRecord, m.WithdrawResponse)
LEAVE = Method(FEDERATION, "Leave", m.SignedRecord, m.WithdrawResponse)
REGISTER_EXPERTS = Method(FEDERATION, "RegisterExperts", m.RegisterExpertsRequest, m.RegisterExpertsResponse)
RENEW_CERTIFICATE = Method(FEDERATION, "RenewCertificate", m.RenewCertificateRequest, m.RenewCertificateResponse)
GET_MEMBERSHIP = Method(FEDERATION, "GetMembership", m.GetMembershipRequest, m.Membership)
WATCH_ROUTER = Method(FEDERATION, "WatchRouter", m.WatchRouterRequest, m.RouterChunk, Arity.RESPONSE_STREAM)
REPORT_TRIAL = Method(FEDERATION, "ReportTrial", m.TrialReport, m.TrialResponse)
TAKE_PART = Method(FEDERATION, "TakePart", m.RoundReply, m.RoundOrder, Arity.BOTH_STREAM)
GET_STATUS = Method(FEDERATION, "GetStatus", m.GetStatusRequest, m.FederationStatus)

PEERS = "ridgeway.v1.Peers"
EXCHANGE = Method(PEERS, "Exchange", m.PeerFrame, m.PeerFrame, Arity.BOTH_STREAM)
GREET = Method(PEERS, "Greet", m.GreetRequest, m.GreetResponse)
PEERS_TAKE_PART = Method(PEERS, "TakePart", m.RoundReply, m.RoundOrder, Arity.BOTH_STREAM)

PEER_ENROLMENT = "ridgeway.v1.PeerEnrolment"
DESCRIBE_PEERS = Method(PEER_ENROLMENT, "Describe", m.DescribePeersRequest, m.DescribePeersResponse)
ENROL_PEER = Method(PEER_ENROLMENT, "Enrol", m.GossipRecord, m.Admission, Arity.RESPONSE_STREAM)

ADMINISTRATION = "ridgeway.v1.Administration"
INVITE = Method(ADMINISTRATION, "Invite", m.InviteRequest, m.InviteResponse)
REVOKE = Method(ADMINISTRATION, "Revoke", m.OwnerRequest, m.OwnerResponse)
EVICT = Method(ADMINISTRATION, "Evict", m.OwnerRequest, m.OwnerResponse)
ADMIN_STATUS = Method(ADMINISTRATION, "GetStatus", m.GetStatusRequest, m.FederationStatus)
ADMIN_SNAPSHOT = Method(ADMINISTRATION, "Snapshot", m.SnapshotRequest, m.SnapshotResponse)
APPOINT = Method(ADMINISTRATION, "Appoint", m.OwnerRequest, m.OwnerResponse)
DISMISS = Method(ADMINISTRATION, "Dismiss", m.OwnerRequest, m.OwnerResponse)

ROUTING = "ridgeway.v1.Routing"
ROUTE = Method(ROUTING, "Route", m.RouteRequest, m.RouteResponse)
ROUTE_BATCH = Method(ROUTING, "RouteBatch", m.RouteBatchRequest, m.RouteBatchResponse)

NODE_CONTROL = "ridgeway.v1.NodeControl"
NODE_JOIN = Method(NODE_CONTROL, "Join", m.JoinRequest, m.Progress, Arity.RESPONSE_STREAM)
NODE_LEAVE = Method(NODE_CONTROL, "Leave", m.LeaveRequest, m.Progress, Arity.RESPONSE_STREAM)
NODE_STATUS = Method(NODE_CONTROL, "GetStatus", m.GetNodeStatusRequest, m.NodeStatus)
NODE_SNAPSHOT = Method(NODE_CONTROL, "Snapshot", m.SnapshotRequest, m.SnapshotResponse)


def handlers(service: str, behaviours: Mapping[Method[Any, Any], Any]) -> grpc.GenericRpcHandler:
    """What a server registers for one service: each method with the coroutine or async generator that serves it.

    Requests are decoded inside the behaviour, so that one that does not parse is refused like any other, with a status
    and a sentence: what gRPC's own deserialiser raises would be an unknown error to the caller and a traceback here.
    """
    table = {method.name: handler(method, behaviour) for method, behaviour in behaviours.items()}
    return grpc.method_handlers_generic_handler(service, table)


def handler(method: Method[Any, Any], behaviour: Any) -> grpc.RpcMethodHandler:
    """How one method is served; bytes that do not parse are refused like any other bad input."""
    make = getattr(grpc, f"{method.arity.value}_rpc_method_handler")
    return make(_decoding(method, behaviour), None, encoder(method.response))


def _decoding(method: Method[Any, Any], behaviour: Any) -> Any:
    """The behaviour of a method, given bytes."""

    async def unary(data: bytes, context: grpc.aio.ServicerContext) -> Any:
        return await behaviour(decode(method.request, data), context)

    async def answering(data: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        async with aclosing(behaviour(decode(method.request, data), context)) as responses:
            async for response in responses:
                yield response

    async def conversing(data: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        async with aclosing(behaviour(_Decoded(method.request, data), context)) as responses:
            async for response in responses:
                yield response

    return {Arity.UNARY: unary, Arity.RESPONSE_STREAM: answering, Arity.BOTH_STREAM: conversing}[method.arity]


class _Decoded(Generic[Request]):
    """The messages of a stream as they come. No generator, since gRPC's own must not outlive the call."""

    def __init__(self, kind: type[Request], messages: AsyncIterator[bytes]) -> None:
        self._kind = kind
        self._messages = messages

    def __aiter__(self) -> "_Decoded[Request]":
        return self

    async def __anext__(self) -> Request:
        return decode(self._kind, await anext(self._messages))


async def call(
    channel: grpc.aio.Channel,
    method: Method[Request, Response],
    request: Request,
    *,
    timeout_s: float,
    metadata: Metadata = (),
) -> Response:
    """Run a unary RPC."""
    run = channel.unary_unary(method.path, encoder(method.request), decoder(method.response))
    return cast(Response, await run(request, timeout=timeout_s, metadata=metadata))


def watch(
    channel: grpc.aio.Channel, method: Method[Request, Response], request: Request, *, metadata: Metadata = ()
) -> "grpc.aio.UnaryStreamCall[Request, Response]":
    """Start an RPC whose answers stream; cancel the call to end it."""
    start = channel.unary_stream(method.path, encoder(method.request), decoder(method.response))
    return start(request, metadata=metadata)


def converse(
    channel: grpc.aio.Channel,
    method: Method[Request, Response],
    requests: AsyncIterable[Request] | None = None,
    *,
    timeout_s: float | None = None,
    metadata: Metadata = (),
) -> "grpc.aio.StreamStreamCall[Request, Response]":
    """Start an RPC in which both sides stream."""
    start = channel.stream_stream(method.path, encoder(method.request), decoder(method.response))
    return start(requests, timeout=timeout_s, metadata=metadata)
