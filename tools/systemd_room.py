"""A virtual microphone and loudspeaker for a whole machine, and somebody who says what is asked for.

Runs inside the machine that `tools.check_systemd` boots: ALSA's devices are pipes below /run then, for every user.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

from appliance.audio.files import read_pcm
from tools.alsa_files import AlsaFiles


def main(recordings: Path, wish: Path) -> None:
    """Be the room, and say the recording that the file `wish` names, whenever it is there."""
    os.umask(0)
    tempfile.tempdir = "/run"
    with AlsaFiles() as room:
        home = Path(room.environment["HOME"])
        home.chmod(0o755)
        for pipe in ("microphone", "loudspeaker"):
            (home / pipe).chmod(0o666)
        Path("/etc/asound.conf").write_text((home / ".asoundrc").read_text())
        while True:
            if wish.exists():
                name = wish.read_text()
                wish.unlink()
                room.speak(read_pcm(recordings / f"{name}.wav"))
            time.sleep(0.1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
