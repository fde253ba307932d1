"""What a client is told when something is wrong, in the shape that OpenAI's clients understand.

    {"error": {"message": ..., "type": ..., "param": ..., "code": ...}}

The kinds of error are OpenAI's; the codes that OpenAI has no word for are ours and listed in docs/gateway.md.
"""

from typing import Any, ClassVar

from ridgeway.errors import RidgewayError


class ApiError(RidgewayError):
    """An answer other than 200.

    Attributes:
        status: of HTTP.
        kind: the family, OpenAI's `type`.
        code: for programs.
        param: the field of the request that is wrong, if it is one.
        retry_after_s: when trying again makes sense, if it does.
    """

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "server_error"
    code: ClassVar[str | None] = None

    def __init__(self, message: str, *, param: str | None = None, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.retry_after_s = retry_after_s

    def document(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"error": {"message": str(self), "type": self.kind, "param": self.param, "code": self.code}}


class BadRequest(ApiError):
    """A body that is no request."""

    status, kind = 400, "invalid_request_error"


class CannotRoute(BadRequest):
    """A prompt that says nothing to the router."""

    code = "no_known_token"


class WrongKey(ApiError):
    """No API key, or another."""

    status, kind, code = 401, "invalid_request_error", "invalid_api_key"


class ForeignSite(ApiError):
    """A browser that asks on behalf of another site."""

    status, kind, code = 403, "invalid_request_error", "foreign_site"


class UnknownModel(ApiError):
    """A model that no expert serves."""

    status, kind, code = 404, "invalid_request_error", "model_not_found"


class UnknownPath(ApiError):
    """A path that is not served."""

    status, kind, code = 404, "invalid_request_error", "unknown_url"


class WrongMethod(ApiError):
    """A path that is served, asked in another way."""

    status, kind, code = 405, "invalid_request_error", "method_not_supported"


class TooSlow(ApiError):
    """A request that does not arrive."""

    status, kind, code = 408, "invalid_request_error", "request_timeout"


class TooLarge(ApiError):
    """A body beyond the bound."""

    status, kind, code = 413, "invalid_request_error", "request_too_large"


class WrongMediaType(ApiError):
    """A body that is not plain JSON."""

    status, kind, code = 415, "invalid_request_error", "unsupported_media_type"


class NotSureEnough(ApiError):
    """A prompt below the least confidence, with nobody to fall back to."""

    status, kind, code = 422, "invalid_request_error", "not_sure_enough"


class ExpertsBusy(ApiError):
    """Every expert asked has too much to do."""

    status, kind, code = 429, "rate_limit_error", "experts_busy"


class BrokenAnswer(ApiError):
    """An answer of an expert that cannot be passed on."""

    status, code = 502, "broken_answer"


class ExpertsRefused(ApiError):
    """Every expert asked refuses the gateway itself."""

    status, code = 502, "experts_refused"


class Overloaded(ApiError):
    """More at once than the gateway takes."""

    status, code = 503, "gateway_overloaded"


class NoRouterYet(ApiError):
    """The node has no router yet."""

    status, code = 503, "no_router"


class ExpertsUnavailable(ApiError):
    """No expert asked could answer."""

    status, code = 503, "experts_unavailable"


class DeadlinePassed(ApiError):
    """No expert answered in time."""

    status, code = 504, "deadline_passed"


class StreamInterrupted(ApiError):
    """An expert that stopped in the middle of its answer; sent as an event, since the status is gone already."""

    status, code = 502, "stream_interrupted"
