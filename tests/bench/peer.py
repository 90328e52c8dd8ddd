"""What a peer is: something to be measured. Most are one program with a configuration file."""

import os
import shutil

from .chain import Chain
from .machine import version
from .tree import Tree

# What all of them use; all of them open new connections faster with 1.2 than with 1.3. appnet takes
# what its mbedTLS has, 1.3 or 1.2, with the same cipher.
SUITE = "ECDHE-ECDSA-AES128-GCM-SHA256"
TLS = f"TLS 1.2, {SUITE}"


class Peer:
    """name: for --only. title: in the table."""

    name = title = ""

    def missing(self):
        """What this machine lacks for it; None if nothing."""
        return None

    def version(self):
        return None

    def chain(self, place, servers):
        """A Chain, yet to be started, to the servers on these ports."""
        raise NotImplementedError


class Configured(Peer):
    """A proxy that is one program, run twice, each time with a configuration file."""

    executable = ""
    command = ("{program}", "{file}")
    version_option = "-v"
    detail = ""

    def path(self):
        """Of the executable; None if there is none. Servers are often where only root looks."""
        places = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"
        return shutil.which(self.executable, path=places)

    def missing(self):
        return None if self.path() else self.executable

    def version(self):
        return version([self.path(), self.version_option])

    def chain(self, place, servers):
        room = place.room()
        entrances = [place.port() for _ in servers]
        middles = [place.port() for _ in servers]
        sides = {"target": (middles, servers), "source": (entrances, middles)}
        starts = [
            lambda side=side, here=here, there=there: self._start(place, room, side, here, there)
            for side, (here, there) in sides.items()
        ]
        return Chain(entrances, starts, self.detail)

    def _start(self, place, room, side, here, there):
        file = room / f"{side}.conf"
        file.write_text(self.configuration(place, room, side, list(zip(here, there))))
        words = {"program": self.path(), "file": file, "room": room}
        arguments = [word.format(**words) for word in self.command]
        return Tree(room, f"{self.name}-{side}", arguments, here).start()

    def configuration(self, place, room, side, hops):
        """The text of the file. hops: pairs of ports, where it listens and where that leads."""
        raise NotImplementedError
