"""The root of Ridgeway's exceptions: every error says in one sentence what to do next."""


class RidgewayError(Exception):
    """Base of all errors that Ridgeway raises on purpose."""
