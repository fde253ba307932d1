"""Which gRPC status each refusal of a peer has; a type not listed has that of its nearest base."""

import grpc

from ridgeway.crypto.identity import BadSignature
from ridgeway.node.refusals import REFUSALS as NODE_REFUSALS
from ridgeway.peers.administering import CannotInvite, NotAdministrator, UnknownOwner
from ridgeway.peers.agent import EngineMissing
from ridgeway.peers.caller import NotAMember
from ridgeway.peers.enrolment_service import AdministratorAway, InvitationRefused, InvitationUsed, TooManyAttempts
from ridgeway.peers.exchange_service import Ignored, Removed
from ridgeway.peers.keyring import NotFounder
from ridgeway.runtime.remote_errors import Malformed, StatusTable

Code = grpc.StatusCode

REFUSALS: StatusTable = {
    **NODE_REFUSALS,
    NotAMember: Code.PERMISSION_DENIED,
    Removed: Code.PERMISSION_DENIED,
    Ignored: Code.RESOURCE_EXHAUSTED,
    BadSignature: Code.UNAUTHENTICATED,
    InvitationRefused: Code.PERMISSION_DENIED,
    InvitationUsed: Code.ALREADY_EXISTS,
    AdministratorAway: Code.UNAVAILABLE,
    TooManyAttempts: Code.RESOURCE_EXHAUSTED,
    NotAdministrator: Code.PERMISSION_DENIED,
    NotFounder: Code.PERMISSION_DENIED,
    CannotInvite: Code.FAILED_PRECONDITION,
    UnknownOwner: Code.NOT_FOUND,
    EngineMissing: Code.UNAVAILABLE,
    Malformed: Code.INVALID_ARGUMENT,
}
