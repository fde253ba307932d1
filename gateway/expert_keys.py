"""The API keys that experts ask of the gateway: from the environment and from a private file, never logged.

For the expert of owner `law-firm` for domain `legal`, the first of these that is there:

    RIDGEWAY_KEY_LAW_FIRM__LEGAL     in the environment
    "law-firm/legal" = "..."         in the file, TOML
    RIDGEWAY_KEY_LAW_FIRM            in the environment, for all experts of the owner
    "law-firm" = "..."               in the file

A variable's name has upper case, and an underscore for every other character than letters and digits; two of them part
owner and domain. An owner's name with two hyphens in a row would be ambiguous there, so such owners need the file.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ridgeway.errors import RidgewayError
from ridgeway.gateway.catalogue import listed_name
from ridgeway.router import Expert
from ridgeway.runtime.private_file import read_private

PREFIX = "RIDGEWAY_KEY_"


class BadKeys(RidgewayError):
    """A file or a variable that holds no usable keys."""


@dataclass(frozen=True, slots=True)
class ExpertKeys:
    """Keys by the name of their variable, and by OWNER/DOMAIN or OWNER."""

    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    named: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, environment: Mapping[str, str], path: Path | None) -> "ExpertKeys":
        """Keys of the environment and, if there is one, of a file.

        Raises:
            NotPrivate: others may read the file, or it cannot be read.
            BadKeys: it is no TOML of names and keys, or a key cannot be sent in a header.
        """
        variables = {name: key for name, key in environment.items() if name.startswith(PREFIX)}
        named = _parse(path) if path else {}
        for name, key in (variables | named).items():
            if not isinstance(key, str) or not key or not key.isascii() or not key.isprintable() or " " in key:
                raise BadKeys(f"the key for {name} must be one line of ASCII without spaces")
        return cls(variables, named)

    def of(self, expert: Expert) -> str | None:
        """The key that an expert asks for, if there is one."""
        variables = [] if "--" in expert.owner else [_variable(expert.owner, expert.domain), _variable(expert.owner)]
        names = [listed_name(expert), expert.owner]
        specific = [self.variables.get(name) for name in variables[:1]] + [self.named.get(names[0])]
        general = [self.variables.get(name) for name in variables[1:]] + [self.named.get(names[1])]
        return next((key for key in [*specific, *general] if key), None)


def _variable(*names: str) -> str:
    return PREFIX + "__".join(re.sub(r"[^A-Z0-9]", "_", name.upper()) for name in names)


def _parse(path: Path) -> dict[str, str]:
    try:
        return tomllib.loads(read_private(path))
    except tomllib.TOMLDecodeError:
        raise BadKeys(f'{path} is no TOML; write lines like "law-firm/legal" = "KEY"') from None
