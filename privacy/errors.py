"""Why differential privacy cannot be promised."""

from ridgeway.errors import RidgewayError


class PrivacyError(RidgewayError):
    """A setting under which differential privacy cannot be promised."""


class PrivacyLibraryMissing(PrivacyError):
    """The libraries that draw and account for noise are not installed."""

    def __init__(self) -> None:
        super().__init__("differential privacy needs two more libraries; install them: pip install 'ridgeway[dp]'")
