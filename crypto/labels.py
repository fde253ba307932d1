"""Domain separation: every hash and signature names the protocol version and its use, so none can stand for another."""

CONTRIBUTION_SIGNATURE = b"ridgeway/v1/sign/contribution"
LEAVE_SIGNATURE = b"ridgeway/v1/sign/withdrawal"
ENROLMENT_SIGNATURE = b"ridgeway/v1/sign/enrolment"
PAYLOAD_DIGEST = b"ridgeway/v1/payload"
RECORD_DIGEST = b"ridgeway/v1/record"
INVITATION_SECRET = b"ridgeway/v1/invitation/secret"
INVITATION_CHECKSUM = b"ridgeway/v1/invitation/checksum"
