"""What the run took place on."""

import os
import platform
import re
import subprocess
import time


def describe():
    """The machine, as a dict of texts and numbers."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _value("/proc/cpuinfo", "model name", ":"),
        "memory_mib": int(_value("/proc/meminfo", "MemTotal", ":").split()[0]) // 1024,
        "kernel": f"{platform.system()} {platform.release()}",
        "system": _value("/etc/os-release", "PRETTY_NAME", "=").strip('"'),
        "load_average": os.getloadavg()[0],
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }


def said(command):
    """What a program that is asked about itself answers."""
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, timeout=10
    )
    return done.stdout + done.stderr


def version(command):
    """The first version number in what a program says of itself; None if there is none."""
    found = re.search(r"\d+(\.\d+)+", said(command))
    return found and found.group()


def _value(path, key, separator):
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                name, _, value = line.partition(separator)
                if name.strip() == key:
                    return value.strip()
    except OSError:
        pass
    return "unknown"
