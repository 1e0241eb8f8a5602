"""Where things lie: this package, and the user's cache folder."""

import os
from pathlib import Path

import platformdirs

PACKAGE = Path(__file__).resolve().parent


def cache_root() -> Path:
    """The user's cache folder for chainrt; CHAINRT_CACHE names another place."""
    return Path(os.environ.get("CHAINRT_CACHE") or platformdirs.user_cache_dir("chainrt", appauthor=False))
