"""What can be wrong with an owner's files. No message ever holds a line's content: it is private."""

from ridgeway.errors import RidgewayError


class PromptError(RidgewayError):
    """Prompts that cannot be read."""


class NoSuchPrompts(PromptError):
    """A location that names no file."""


class UnknownFormat(PromptError):
    """A file whose suffix says nothing."""


class UnreadableFile(PromptError):
    """A file that cannot be opened, or is damaged as a whole."""


class MissingExtra(PromptError):
    """A format that needs a package which is not installed."""


class BadPromptLine(PromptError):
    """One entry that is not what it should be.

    Attributes:
        location: the file.
        line: its line, or for Parquet its row, from 1.
    """

    def __init__(self, location: str, line: int, problem: str) -> None:
        super().__init__(location, line, problem)
        self.location = location
        self.line = line
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.location}:{self.line}: {self.problem}; correct it, or pass --skip-bad to count and go on"
