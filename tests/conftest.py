"""Fixtures for the reference vectors, which lie beside the repository and not in it."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of the reference's outputs; tests that need it are skipped where it is not."""
    folder = Path(__file__).resolve().parents[1].parent / "shared" / "vectors"
    if not folder.is_dir():
        pytest.skip("reference vectors not present (../shared/vectors)")
    return folder
