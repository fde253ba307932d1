"""Fixtures that every test may use."""

from pathlib import Path

import pytest
from hypothesis import settings

# First of all, since it holds gRPC to TLS 1.3 only before gRPC is imported.
import ridgeway

assert ridgeway.TLS_1_2_SUITES

# The suite tries the same examples every time; `--hypothesis-profile=search` looks for others.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile("steady")

SHARED = Path(__file__).parents[1].parent / "shared"


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder with real prompts and a real embedding beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("needs the shared prompts and embedding beside the checkout")
    return SHARED
