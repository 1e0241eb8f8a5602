"""Fixtures for all tests: the reference vectors, and a place of their own for what is measured."""

from pathlib import Path

import hypothesis
import pytest

from chainrt import kept

hypothesis.settings.register_profile("chainrt", deadline=None)  # timing never decides a test
hypothesis.settings.load_profile("chainrt")


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of the reference's outputs; tests that need it are skipped where it is not."""
    folder = Path(__file__).resolve().parents[1].parent / "shared" / "vectors"
    if not folder.is_dir():
        pytest.skip("reference vectors not present (../shared/vectors)")
    return folder


@pytest.fixture(autouse=True, scope="session")
def tables_of_tests(tmp_path_factory):
    """Tables measured by tests are not the user's, and no test finds those of an earlier run."""
    folder = tmp_path_factory.mktemp("tables")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept, "cache_root", lambda: folder)
        yield


@pytest.fixture(autouse=True, scope="session")
def no_sound_card():
    """No test plays through the loudspeakers of whoever runs it, unless it asks for a card."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHAINRT_HOST", "clock")
        yield
