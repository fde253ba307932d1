"""The short form of `scripts/soak.py`: half a minute of every fault, and every member as the model says."""

from pathlib import Path

import pytest
from soak import soak


@pytest.mark.timeout(300)
async def test_half_a_minute_of_faults_loses_and_doubles_nothing(tmp_path: Path) -> None:
    report = await soak(tmp_path, minutes=0.3, seed=7, epochs_min=3)
    assert report.epochs >= 3
    assert report.operations > 50
    assert len(report.faults) >= 6
