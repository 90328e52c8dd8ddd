"""The servers at the far end of a chain."""

import shutil

from support.environment import program
from support.sockets import connect

from .tree import Tree


class Server(Tree):
    """Listens on 127.0.0.1 at `port`."""

    needs = ()

    def __init__(self, place):
        self.port = place.port()
        room = place.room()
        super().__init__(room, type(self).__name__, self.command(room), [self.port])

    @classmethod
    def missing(cls):
        """The program that this machine lacks for it; None if it is there."""
        return next((name for name in cls.needs if not shutil.which(name)), None)

    def command(self, room):
        raise NotImplementedError

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()


class Iperf(Server):
    needs = ("iperf3",)

    def command(self, room):
        return ["iperf3", "-s", "-B", "127.0.0.1", "-p", self.port]


class Redis(Server):
    """With a value for the GET of redis-benchmark."""

    needs = ("redis-server", "redis-benchmark")

    def command(self, room):
        options = {
            "bind": "127.0.0.1",
            "port": self.port,
            "dir": room,
            "save": "",
            "appendonly": "no",
            "protected-mode": "no",
            "tcp-backlog": 4096,
            "maxclients": 10000,
            "loglevel": "warning",
        }
        command = ["redis-server"]
        for name, value in options.items():
            command += [f"--{name}", value]
        return command

    def start(self):
        super().start()
        with connect(self.port) as client:
            client.sendall(b"SET key:__rand_int__ abc\r\n")
            if client.recv(100) != b"+OK\r\n":
                self.close()
                raise RuntimeError("redis-server refused a SET")
        return self


class Echo(Server):
    """Sends back what it receives."""

    def command(self, room):
        return [program("tests/bench/load"), "serve", self.port]
