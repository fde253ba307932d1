"""What every call between Ridgeway's processes carries beside its request."""

from ridgeway.runtime import request_id, tracing


def call_metadata() -> request_id.Metadata:
    """The request's id, and the trace's if there is one."""
    return request_id.outgoing() + tracing.outgoing()
