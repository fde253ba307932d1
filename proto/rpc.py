"""Every method of ridgeway.v1 as a typed value, so that servers and clients exchange dataclasses, not generated types.

`handlers` makes what a gRPC server registers, `call` and its siblings what a client runs; neither does I/O by itself.
"""

from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar, cast

import grpc

from ridgeway.proto import messages as m
from ridgeway.proto.codec import decoder, encoder

Request = TypeVar("Request")
Response = TypeVar("Response")
Metadata = tuple[tuple[str, str], ...]


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

ADMINISTRATION = "ridgeway.v1.Administration"
INVITE = Method(ADMINISTRATION, "Invite", m.InviteRequest, m.InviteResponse)
REVOKE = Method(ADMINISTRATION, "Revoke", m.OwnerRequest, m.OwnerResponse)
EVICT = Method(ADMINISTRATION, "Evict", m.OwnerRequest, m.OwnerResponse)
ADMIN_STATUS = Method(ADMINISTRATION, "GetStatus", m.GetStatusRequest, m.FederationStatus)

ROUTING = "ridgeway.v1.Routing"
ROUTE = Method(ROUTING, "Route", m.RouteRequest, m.RouteResponse)
ROUTE_BATCH = Method(ROUTING, "RouteBatch", m.RouteBatchRequest, m.RouteBatchResponse)

NODE_CONTROL = "ridgeway.v1.NodeControl"
NODE_JOIN = Method(NODE_CONTROL, "Join", m.JoinRequest, m.Progress, Arity.RESPONSE_STREAM)
NODE_LEAVE = Method(NODE_CONTROL, "Leave", m.LeaveRequest, m.Progress, Arity.RESPONSE_STREAM)
NODE_STATUS = Method(NODE_CONTROL, "GetStatus", m.GetNodeStatusRequest, m.NodeStatus)


def handlers(service: str, behaviours: Mapping[Method[Any, Any], Any]) -> grpc.GenericRpcHandler:
    """What a server registers for one service: each method with the coroutine or async generator that serves it."""
    table = {}
    for method, behaviour in behaviours.items():
        make = getattr(grpc, f"{method.arity.value}_rpc_method_handler")
        table[method.name] = make(behaviour, decoder(method.request), encoder(method.response))
    return grpc.method_handlers_generic_handler(service, table)


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
