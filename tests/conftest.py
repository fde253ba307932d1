"""Fixtures that every test may use."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[1].parent / "shared"


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder with real prompts and a real embedding beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("needs the shared prompts and embedding beside the checkout")
    return SHARED
