"""A program with all its children: what it uses, and its end."""

import os
import signal
import time

from support.process import Process
from support.wait import eventually

_TICKS = os.sysconf("SC_CLK_TCK")


class Tree(Process):
    """A server. Started, it listens on its ports; closed, nothing is left of it."""

    def __init__(self, room, name, arguments, ports):
        super().__init__(arguments, room / f"{name}.out")
        self.name = name
        self.ports = ports

    def start(self):
        super().start()
        try:
            eventually(
                lambda: not self.running or set(self.ports) <= listening_ports(),
                what=lambda: f"{self.name} listens on {self.ports}:\n{self.text()}",
            )
            if not self.running:
                raise RuntimeError(f"{self.name} ended at once:\n{self.text()}")
        except BaseException:
            self.close()
            raise
        return self

    def close(self):
        """Asks, asks again, and then ends every process of it that is left."""
        if not self.running:
            return
        births = {pid: _birth(pid) for pid in family(self.pid)}
        for patience in (1, 4):
            self.signal(signal.SIGTERM)
            end = time.monotonic() + patience
            while self.running and time.monotonic() < end:
                time.sleep(0.005)
        self.kill()
        for pid, birth in births.items():
            if birth and _birth(pid) == birth:
                os.kill(pid, signal.SIGKILL)


def cpu_seconds(process):
    """Processor time until now, user and system, of all threads and children of a Process."""
    return sum(_cpu(pid) for pid in family(process.pid))


def memory(process):
    """Resident bytes of a Process and its children."""
    return sum(_resident(pid) for pid in family(process.pid))


def family(pid):
    """The process and all below it."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _stat(int(entry))):
            children.setdefault(int(fields[1]), []).append(int(entry))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def listening_ports():
    """TCP ports over IPv4 on which something listens."""
    ports = set()
    with open("/proc/net/tcp", encoding="ascii") as table:
        next(table)
        for line in table:
            fields = line.split()
            if fields[3] == "0A":
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


def _stat(pid):
    """The fields of /proc/PID/stat from the state on; None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _birth(pid):
    fields = _stat(pid)
    return fields and fields[19]


def _cpu(pid):
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS if fields else 0


def _resident(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
        return sum(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Rss:"))
