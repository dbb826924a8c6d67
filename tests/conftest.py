"""What several tests need: the recordings and the installed models, where they are."""

import os
from pathlib import Path

import pytest

from appliance.config_files import MANIFEST, PROJECT
from appliance.models import ModelStore


@pytest.fixture(scope="session", autouse=True)
def state_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What a daemon remembers during the tests is not mixed with what the owner's remembers."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


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
