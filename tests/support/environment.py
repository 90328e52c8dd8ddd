"""Where the programs are and how patient to be with them."""

import os
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BIN_DIR = Path(os.environ.get("APPNET_BIN_DIR") or TOP).resolve()

# Programs with sanitizers are slower; every time limit is multiplied by this.
SLOW = float(os.environ.get("APPNET_TEST_SLOW", "1"))

# Their memory says nothing about the real one, and valgrind cannot run them.
SANITIZED = os.environ.get("APPNET_SANITIZED", "") not in ("", "0")


# What AddressSanitizer keeps of freed memory for a while, as its documentation says.
QUARANTINE = (256 << 20) if SANITIZED else 0


def program(name):
    """The path of one of appnet's own programs."""
    path = BIN_DIR / name
    assert os.access(path, os.X_OK), f"no program {path}: build first, or set APPNET_BIN_DIR"
    return str(path)
