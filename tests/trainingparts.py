"""Lets tests import the modules of presets/training, which are scripts beside the package and import one another."""

import sys
from pathlib import Path

TRAINING_FOLDER = Path(__file__).resolve().parent.parent / "presets" / "training"
MODELS_FOLDER = TRAINING_FOLDER.parent / "models"

if str(TRAINING_FOLDER) not in sys.path:
    sys.path.insert(0, str(TRAINING_FOLDER))
