"""What several tests need: the recordings and the installed models, where they are."""

import os
from pathlib import Path

import pytest

from appliance.config_files import MANIFEST, PROJECT
from appliance.models import ModelStore


@pytest.fixture(scope="session")
def data_pack() -> Path:
    """Folder of real recordings; a user's clone has none, and the test is skipped."""
    folder = Path(os.environ.get("APPLIANCE_DATA_PACK", PROJECT.parent / "shared" / "data"))
    if not (folder / "manifest.jsonl").is_file():
        pytest.skip(f"no recordings in {folder} (name their folder in APPLIANCE_DATA_PACK)")
    return folder


@pytest.fixture(scope="session")
def store() -> ModelStore:
    """The installed models; the test is skipped where there are none."""
    if not (MANIFEST.parent / "vosk-small-en-us").is_dir():
        pytest.skip("no models installed (run: appliance models install)")
    return ModelStore(MANIFEST, MANIFEST.parent)
