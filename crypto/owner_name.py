"""What owners and domains may be called."""

import re
from collections.abc import Collection

from ridgeway.errors import RidgewayError

# A DNS label, since the owner's certificate carries the name in a DNS entry.
OWNER_CHARACTERS = 63
_OWNER = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_DOMAIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
# What one company knows about. Every domain is a column of everybody's router, so no owner may add them at will.
DOMAINS_PER_OWNER = 64


class BadName(RidgewayError):
    """A name outside the rule."""


class TooManyDomains(RidgewayError):
    """More domains than one owner may have."""


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


def check_domains(names: Collection[str]) -> None:
    """Nothing, if one owner may have these domains.

    Raises:
        TooManyDomains: there are more than an owner may have.
        BadName: one is outside the rule.
    """
    if len(names) > DOMAINS_PER_OWNER:
        raise TooManyDomains(f"an owner may have {DOMAINS_PER_OWNER} domains, not {len(names)}; put some together")
    for name in names:
        check_domain_name(name)
