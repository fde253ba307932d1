"""Embedders from packaged data, a directory or a model hub: the only place that reads model files."""

from ridgeway.embedder import EmbedderError
from ridgeway.embedders.checkpoint import PickleRefused
from ridgeway.embedders.load import load_embedder
from ridgeway.embedders.packaged import BUILTIN
from ridgeway.embedders.progress import Progress

__all__ = ["BUILTIN", "EmbedderError", "PickleRefused", "Progress", "load_embedder"]
