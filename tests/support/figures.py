"""Measured figures: printed, and kept in the file that $APPNET_FIGURES names."""

import os


def figure(name, value):
    line = f"{name}: {value}"
    print(line)
    path = os.environ.get("APPNET_FIGURES")
    if path:
        with open(path, "a", encoding="utf-8") as out:
            out.write(line + "\n")
