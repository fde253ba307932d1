"""What owners and domains may be called."""

import re

from ridgeway.errors import RidgewayError

# A DNS label, since the owner's certificate carries the name in a DNS entry.
_OWNER = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_DOMAIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class BadName(RidgewayError):
    """A name outside the rule."""


def check_owner_name(name: str) -> str:
    """The name, if an owner may have it.

    Raises:
        BadName: it is no DNS label in lower case.
    """
    if not _OWNER.fullmatch(name):
        raise BadName(
            f"{name[:80]!r} is no owner name; use 1 to 63 of a-z, 0-9 and hyphen, without a hyphen at either end"
        )
    return name


def check_domain_name(name: str) -> str:
    """The name, if a domain may have it.

    Raises:
        BadName: it is not 1 to 63 of a-z, 0-9, dot, underscore and hyphen.
    """
    if not _DOMAIN.fullmatch(name):
        raise BadName(
            f"{name[:80]!r} is no domain name; use 1 to 63 of a-z, 0-9, '.', '_' and '-', a letter or digit first"
        )
    return name
