"""Private prompts: read from the owner's own files, one at a time, and never shown to anyone."""

from ridgeway.node.prompts.batches import batches
from ridgeway.node.prompts.errors import BadPromptLine, PromptError
from ridgeway.node.prompts.reading import ReadReport, read_prompts
from ridgeway.node.prompts.source import PromptSource, source_fingerprint

__all__ = [
    "BadPromptLine",
    "PromptError",
    "PromptSource",
    "ReadReport",
    "batches",
    "read_prompts",
    "source_fingerprint",
]
