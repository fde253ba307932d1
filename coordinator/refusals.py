"""Which gRPC status each refusal has; a type not listed has that of its nearest base, else FAILED_PRECONDITION."""

import grpc

from ridgeway.contribution_check import ContributionRefused
from ridgeway.coordinator.database import LedgerUnwritable
from ridgeway.coordinator.enrolment_service import TooManyAttempts
from ridgeway.coordinator.federation import (
    FederationFull,
    MaskingRequired,
    StillInSum,
    UnknownDomain,
    UnknownOwner,
    WrongManifest,
    WrongOwner,
    WrongPayloadSize,
)
from ridgeway.coordinator.federation_service import BadExpert, NoRounds, TooManyCalls, TooManyFeeds
from ridgeway.coordinator.invitations import (
    CannotInvite,
    InvitationExpired,
    InvitationForged,
    InvitationUsed,
    WrongEmbedder,
)
from ridgeway.coordinator.membership import NotAMember
from ridgeway.coordinator.postgres import LedgerUnreachable
from ridgeway.coordinator.uploads import TooManyUploads, UploadQueueFull, UploadTooSlow
from ridgeway.crypto.authority import BadSigningRequest
from ridgeway.crypto.identity import BadSignature
from ridgeway.crypto.owner_name import BadName, TooManyDomains
from ridgeway.proto.codec import MalformedMessage
from ridgeway.proto.records import MalformedRecord
from ridgeway.protocol.admission import ConflictingRecord, StaleSequence
from ridgeway.protocol.upload import DamagedChunk, IncompleteUpload, UploadError
from ridgeway.rounds.hall import SlowReader, TooManyIntentions
from ridgeway.runtime.remote_errors import Malformed, StatusTable
from ridgeway.trial import BadTrial

Code = grpc.StatusCode

REFUSALS: StatusTable = {
    LedgerUnreachable: Code.UNAVAILABLE,
    LedgerUnwritable: Code.UNAVAILABLE,
    NotAMember: Code.PERMISSION_DENIED,
    WrongOwner: Code.PERMISSION_DENIED,
    BadSignature: Code.UNAUTHENTICATED,
    InvitationForged: Code.UNAUTHENTICATED,
    InvitationExpired: Code.PERMISSION_DENIED,
    InvitationUsed: Code.ALREADY_EXISTS,
    WrongEmbedder: Code.FAILED_PRECONDITION,
    MaskingRequired: Code.FAILED_PRECONDITION,
    StillInSum: Code.ABORTED,
    WrongManifest: Code.FAILED_PRECONDITION,
    StaleSequence: Code.FAILED_PRECONDITION,
    ConflictingRecord: Code.ALREADY_EXISTS,
    ContributionRefused: Code.INVALID_ARGUMENT,
    WrongPayloadSize: Code.OUT_OF_RANGE,
    UploadError: Code.INVALID_ARGUMENT,
    DamagedChunk: Code.DATA_LOSS,
    IncompleteUpload: Code.ABORTED,
    MalformedMessage: Code.INVALID_ARGUMENT,
    MalformedRecord: Code.INVALID_ARGUMENT,
    Malformed: Code.INVALID_ARGUMENT,
    BadName: Code.INVALID_ARGUMENT,
    BadExpert: Code.INVALID_ARGUMENT,
    BadTrial: Code.INVALID_ARGUMENT,
    BadSigningRequest: Code.INVALID_ARGUMENT,
    UnknownDomain: Code.NOT_FOUND,
    UnknownOwner: Code.NOT_FOUND,
    CannotInvite: Code.FAILED_PRECONDITION,
    FederationFull: Code.RESOURCE_EXHAUSTED,
    TooManyDomains: Code.OUT_OF_RANGE,
    TooManyIntentions: Code.RESOURCE_EXHAUSTED,
    TooManyCalls: Code.RESOURCE_EXHAUSTED,
    TooManyUploads: Code.RESOURCE_EXHAUSTED,
    TooManyFeeds: Code.RESOURCE_EXHAUSTED,
    NoRounds: Code.FAILED_PRECONDITION,
    SlowReader: Code.ABORTED,
    TooManyAttempts: Code.RESOURCE_EXHAUSTED,
    UploadQueueFull: Code.UNAVAILABLE,
    UploadTooSlow: Code.ABORTED,
}
