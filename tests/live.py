"""What the live tests share."""

import pytest

from appliance.errors import AudioError
from tools.sound_kinds import KINDS
from tools.sound_server import SoundServer


def sound_server(*kinds: str) -> SoundServer:
    """The first that is installed here, of these or of all; the test is skipped where there is none."""
    reasons = []
    for kind in kinds or KINDS:
        try:
            return SoundServer(kind)
        except AudioError as error:
            reasons.append(str(error))
    pytest.skip("; ".join(reasons))
