"""`python -m appliance` is the same as the command `appliance`."""

import os
import sys
from pathlib import Path

from appliance.cli import main


def pin() -> None:
    """Go on as the Python of the version's own folder.

    A device starts it through a link, which an update changes: a module that is imported after that would be of another
    version than those before it.
    """
    folder = Path(sys.prefix)
    own = folder.resolve()
    if own != folder and (own / "bin" / "python").exists():
        python = str(own / "bin" / "python")
        os.execv(python, [python, *sys.orig_argv[1:]])


if __name__ == "__main__":
    pin()
    sys.exit(main())
