"""What a page refuses, each with the HTTP status that says whose fault it is."""

from http import HTTPStatus

from ridgeway.errors import RidgewayError


class HttpRefusal(RidgewayError):
    """A request that is not answered with what it asks for."""

    status = HTTPStatus.BAD_REQUEST


class MalformedRequest(HttpRefusal):
    """A body that is not what the path takes."""


class WrongMediaType(HttpRefusal):
    """A body of another kind."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class NotAdmitted(HttpRefusal):
    """A caller without the token."""

    status = HTTPStatus.UNAUTHORIZED


class CrossSite(HttpRefusal):
    """A request that another web site made a browser send."""

    status = HTTPStatus.FORBIDDEN


class WrongHost(HttpRefusal):
    """A request for another host, which a DNS name that was rebound to this machine would be."""

    status = HTTPStatus.MISDIRECTED_REQUEST


class TooBusy(HttpRefusal):
    """More at once than is served."""

    status = HTTPStatus.TOO_MANY_REQUESTS


class CannotTry(HttpRefusal):
    """A prompt that cannot be routed, or not now."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
