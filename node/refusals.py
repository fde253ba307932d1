"""Which gRPC status each refusal of a node has; a type not listed has that of its nearest base."""

import grpc

from ridgeway.crypto.invitation import BadInvitation
from ridgeway.crypto.owner_name import BadName
from ridgeway.expert_choice import BadObjective
from ridgeway.fallback import BadFallback
from ridgeway.node.agent import UnknownSource
from ridgeway.node.caller import NotYourNode
from ridgeway.node.prompts import PromptError
from ridgeway.node.request import BadJoinRequest
from ridgeway.node.routing_service import BadRouteRequest
from ridgeway.pooled_routing import NoTokenVotes
from ridgeway.proto.codec import MalformedMessage
from ridgeway.routing import NoKnownToken
from ridgeway.runtime.remote_errors import StatusTable, Unreachable

REFUSALS: StatusTable = {
    NotYourNode: grpc.StatusCode.PERMISSION_DENIED,
    NoKnownToken: grpc.StatusCode.INVALID_ARGUMENT,
    BadObjective: grpc.StatusCode.INVALID_ARGUMENT,
    BadFallback: grpc.StatusCode.INVALID_ARGUMENT,
    NoTokenVotes: grpc.StatusCode.INVALID_ARGUMENT,
    BadRouteRequest: grpc.StatusCode.INVALID_ARGUMENT,
    BadName: grpc.StatusCode.INVALID_ARGUMENT,
    BadJoinRequest: grpc.StatusCode.INVALID_ARGUMENT,
    BadInvitation: grpc.StatusCode.INVALID_ARGUMENT,
    MalformedMessage: grpc.StatusCode.INVALID_ARGUMENT,
    PromptError: grpc.StatusCode.INVALID_ARGUMENT,
    UnknownSource: grpc.StatusCode.NOT_FOUND,
    Unreachable: grpc.StatusCode.UNAVAILABLE,
}
