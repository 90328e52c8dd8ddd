"""Real servers that people run, on free ports of 127.0.0.1."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from .environment import SLOW
from .process import Process, run
from .sockets import connect
from .wait import eventually


def find(name):
    """A program that may lie outside PATH, or None."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin:/sbin")


def _listens(port):
    try:
        connect(port).close()
    except OSError:
        return False
    return True


class _Application(Process):
    """Started by its constructor, ready when it listens."""

    def __init__(self, port, arguments, folder, **options):
        super().__init__(arguments, Path(folder) / f"{type(self).__name__.lower()}.log", **options)
        self.port = port
        self.start()
        eventually(
            lambda: _listens(port) or not self.running,
            timeout=30,
            what=lambda: f"{self.arguments[0]} listens:\n{self.text()}",
        )
        assert self.running, self.text()


class Redis(_Application):
    def __init__(self, port, folder):
        super().__init__(
            port,
            [
                find("redis-server"),
                "--port",
                port,
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--dir",
                folder,
                "--maxclients",
                "4000",
            ],
            folder,
        )


class Nginx(_Application):
    """Serves the files of `folder`/www."""

    def __init__(self, port, folder):
        root = Path(folder) / "www"
        root.mkdir(exist_ok=True)
        configuration = Path(folder) / "nginx.conf"
        scratch = "\n".join(
            f"    {kind}_temp_path {folder}/nginx-{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        configuration.write_text(
            f"""
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
{scratch}
    server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
""",
            encoding="utf-8",
        )
        super().__init__(
            port, [find("nginx"), "-e", "stderr", "-p", folder, "-c", configuration], folder
        )


class Postgres(_Application):
    """A fresh cluster with the superuser `postgres` and no password. It refuses to run as root, so
    it does not.
    """

    def __init__(self, port):
        self.child = None
        self._home = Path(tempfile.mkdtemp(prefix="appnet-pg-", dir="/tmp"))
        prefix = self._drop_privileges()
        data = self._home / "data"
        environment = {"LC_ALL": "C", "HOME": str(self._home)}
        try:
            run(
                [
                    *prefix,
                    self._tool("initdb"),
                    "-D",
                    data,
                    "-U",
                    "postgres",
                    "--auth=trust",
                    "--no-sync",
                ],
                environment=environment,
                cwd=self._home,
                timeout=60,
            )
            super().__init__(
                port,
                [
                    *prefix,
                    self._tool("postgres"),
                    "-D",
                    data,
                    "-p",
                    port,
                    "-c",
                    "listen_addresses=127.0.0.1",
                    "-c",
                    f"unix_socket_directories={self._home}",
                    "-c",
                    "fsync=off",
                ],
                self._home,
                environment=environment,
                cwd=self._home,
            )
            eventually(lambda: self._accepts(port), timeout=30, what="postgres takes connections")
        except BaseException:
            self.close()
            raise

    def close(self):
        if self.child is not None and self.running:
            self.signal(signal.SIGINT)  # its fast shutdown
            try:
                self.child.wait(10 * SLOW)
            except subprocess.TimeoutExpired:
                super().close()
        shutil.rmtree(self._home, ignore_errors=True)

    def _drop_privileges(self):
        if os.getuid() != 0:
            return []
        user = pwd.getpwnam("postgres")
        os.chown(self._home, user.pw_uid, user.pw_gid)
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]

    def _accepts(self, port):
        return (
            run([self._tool("pg_isready"), "-h", "127.0.0.1", "-p", port], check=False).returncode
            == 0
        )

    @staticmethod
    def installed():
        return Postgres._folder() is not None

    @staticmethod
    def _folder():
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        return found[-1].parent if found else None

    @staticmethod
    def _tool(name):
        return str(Postgres._folder() / name)
