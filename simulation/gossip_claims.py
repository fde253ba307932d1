"""What must hold at every moment of a simulation, whatever strikes."""


class Violation(AssertionError):
    """Something that must never happen has happened."""


def claim(holds: bool, otherwise: str) -> None:
    """State what must hold.

    Raises:
        Violation: it does not.
    """
    if not holds:
        raise Violation(otherwise)
