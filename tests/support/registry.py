"""A registry process: its configuration, its log, and those who ask it: people at the plain door
(HTTP/1.1), people from afar and sidecars at the one with TLS (HTTP/2).
"""

import http.client
import json
import random
import signal
import string

from . import curl, settings, signing
from .answers import Answer
from .authority import TRUST_DOMAIN, Identity
from .daemon import Daemon
from .environment import SLOW, program
from .events import Events
from .http2 import Caller
from .openapi import contract
from .process import run


class PlainDoor:
    """http_listen."""

    name = "plain"

    def __init__(self, registry):
        self._registry = registry

    def connect(self, timeout=20.0):
        return http.client.HTTPConnection(
            "127.0.0.1", self._registry.http_port, timeout=timeout * SLOW
        )

    def send(self, method, path, headers, body):
        connection = self.connect()
        try:
            return ask(connection, method, path, headers, body)
        finally:
            connection.close()


class SecureDoor:
    """tls_listen, with or without a client certificate."""

    name = "secure"

    def __init__(self, registry, identity=None):
        self._registry = registry
        self._identity = identity

    def url(self, path):
        return f"https://127.0.0.1:{self._registry.tls_port}{path}"

    def send(self, method, path, headers, body):
        return curl.request(
            self.url(path),
            self._registry.ca,
            method=method,
            identity=self._identity,
            headers=headers,
            body=body,
        )

    def session(self, **options):
        """An HTTP/2 connection to do anything with."""
        return Caller(self._registry.tls_port, self._identity, **options)

    def lines(self, path):
        return curl.Lines(
            self.url(path),
            self._registry.ca,
            self._registry.log.path,
            identity=self._identity,
            check=lambda line: contract().check_item(path, line["type"], line),
        )


def ask(connection, method, path, headers, body):
    """One request on an http.client connection, and its Answer."""
    connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    if body is not None and "Content-Length" not in headers:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    return Answer(answer.status, answer.getheaders(), answer.read())


class Registry(Daemon):
    """Runs from the configuration given as a dict, until `stop` or the end of the test."""

    started = "registry started"

    def __init__(self, lab, name="registry", **options):
        self.http_port = lab.port()
        self.tls_port = lab.port()
        self.data = lab.folder / f"{name}-data"
        self.ca = self.data / "ca" / "ca.pem"
        self.file = lab.folder / f"{name}.conf"
        self.configuration = {
            "trust_domain": TRUST_DOMAIN,
            "data_dir": str(self.data),
            "http_listen": f"127.0.0.1:{self.http_port}",
            "tls_listen": f"127.0.0.1:{self.tls_port}",
            **options,
        }
        self.plain = PlainDoor(self)
        self.secure = SecureDoor(self)
        self._lab = lab
        self._count = 0
        command = [program("appnet-registry"), "-c", self.file]
        super().__init__(name, command, lab.folder / f"{name}.log")
        settings.write(self.file, self.configuration)

    @property
    def trust_domain(self):
        return self.configuration["trust_domain"]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def address(self):
        """Where sidecars find it."""
        return f"127.0.0.1:{self.tls_port}"

    def token_file(self, role="admin"):
        return self.data / f"{role}.token"

    def token(self, role="admin"):
        return self.token_file(role).read_text(encoding="ascii").strip()

    # Asking

    def call(self, method, path, body=None, *, role="admin", door=None, headers=None):
        """One request, by default of an admin at the plain door. `body` is bytes, or something to
        be written as JSON.
        """
        headers = dict(headers or {})
        if role:
            headers.setdefault("Authorization", f"Bearer {self.token(role)}")
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        answer = (door or self.plain).send(method, path, headers, body)
        contract().check_answer(method, path, body, answer)
        return answer

    def get(self, path, **options):
        return self.call("GET", path, **options)

    def post(self, path, body, **options):
        return self.call("POST", path, body, **options)

    def put(self, path, body, **options):
        return self.call("PUT", path, body, **options)

    def delete(self, path, **options):
        return self.call("DELETE", path, **options)

    def events(self, last_id=None, role="viewer", path="/v1/events"):
        """The stream of events; ended with the test."""
        headers = {"Authorization": f"Bearer {self.token(role)}"}
        if last_id is not None:
            headers["Last-Event-ID"] = last_id
        connection = self.plain.connect()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        return self._lab.add(Events(connection, answer))

    # Instances and connections

    def apply(self, name, inbounds=(), outbounds=(), status=201):
        """An instance by descriptor: inbounds {name: port}, outbounds {name: required}."""
        return self.put(f"/v1/instances/{name}", descriptor(inbounds, outbounds)).good(status)

    def apply_pair(self, required=False):
        """shop (outbound db) and mysql (inbound sql), not connected."""
        self.apply("mysql", {"sql": 3306})
        self.apply("shop", outbounds={"db": required})

    def connect(self, source="shop", outbound="db", target="mysql", inbound="sql", **options):
        """The answer to the request for a connection."""
        body = {
            "source_instance": source,
            "outbound": outbound,
            "target_instance": target,
            "inbound": inbound,
        }
        return self.post("/v1/connections", body, **options)

    def connection(self, identity):
        return self.get(f"/v1/connections/{identity}").good()

    def connections(self):
        return self.get("/v1/connections").good()["connections"]

    def instance(self, name):
        return self.get(f"/v1/instances/{name}").good()

    def instances(self):
        return self.get("/v1/instances").good()["instances"]

    # Sidecars

    def join_token(self, instance, **options):
        """A new one, as the API tells it: with `id` and `token`."""
        return self.post("/v1/join-tokens", {"instance": instance, **options}).good(201)

    def uri(self, instance):
        return f"spiffe://{self.trust_domain}/instance/{instance}"

    def request_for(self, instance, kind="P-256", **options):
        """A signing request as a sidecar makes it, and the file of its key."""
        self._count += 1
        key = signing.make_key(self._lab.folder / f"{self._count}-{instance}.key"[-100:], kind)
        options.setdefault("names", f"URI:{self.uri(instance)}")
        subject = options.pop("subject", instance)
        return signing.make_request(key, subject, **options), key

    def enroll(self, token, request, **options):
        """The answer to a replica that joins."""
        options.setdefault("door", self.secure)
        body = {"token": token, "csr": request}
        return self.post("/v1/enroll", body, role=None, **options)

    def renew(self, identity, request):
        return self.post("/v1/renew", {"csr": request}, role=None, door=self.as_sidecar(identity))

    def join(self, instance):
        """The Identity of a new replica of the instance, which exists from then on."""
        request, key = self.request_for(instance)
        token = self.join_token(instance)["token"]
        return self.keep_identity(instance, self.enroll(token, request).good(201), key)

    def keep_identity(self, label, issued, key):
        self._count += 1
        identity = Identity(self._lab.folder / f"{self._count}-{label}")
        identity.folder.mkdir()
        identity.certificate.write_text(issued["certificate"], encoding="ascii")
        identity.ca.write_text(issued["trust_bundle"], encoding="ascii")
        identity.key.touch(0o600)
        identity.key.write_bytes(key.read_bytes())
        return identity

    def as_sidecar(self, identity):
        """The door with TLS, for whoever shows this certificate."""
        return SecureDoor(self, identity)

    def watch(self, identity, replica, view=None):
        """What the sidecar is told, line by line; ended with the test."""
        path = f"/v1/sidecar/watch?replica={replica}" + (f"&view={view}" if view else "")
        return self._lab.add(self.as_sidecar(identity).lines(path))

    def report(self, identity, replica, **fields):
        """The answer to a sidecar's report."""
        body = {
            "replica": replica,
            "version": "0",
            "revision": 0,
            "advertise": None,
            "inbounds": [],
            "outbounds": [],
            "connections": [],
            **fields,
        }
        return self.post("/v1/sidecar/report", body, role=None, door=self.as_sidecar(identity))

    # Its life

    def hang_up(self):
        """SIGHUP: it reads the CA's folder anew."""
        since = self.log.position()
        self.signal(signal.SIGHUP)
        return self.wait_log("CA reloaded", since)

    def stop(self, timeout=20.0):
        """SIGTERM, exit 0."""
        self.signal(signal.SIGTERM)
        self.check_end(self.wait(timeout))

    def stop_for_a_while(self):
        """SIGSTOP: it hangs until `go_on`."""
        self.signal(signal.SIGSTOP)

    def go_on(self):
        self.signal(signal.SIGCONT)

    def restart(self):
        self.stop()
        return self.start()

    def close(self):
        if self.running:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
        self.finish()


def descriptor(inbounds=(), outbounds=()):
    """An application descriptor: inbounds {name: port}, outbounds {name: required}."""
    inbounds, outbounds = dict(inbounds), dict(outbounds)
    return {
        "inbound_net_interfaces": [{"name": name} for name in inbounds],
        "outbound_net_interfaces": [
            {"name": name, "required": required} for name, required in outbounds.items()
        ],
        "rules": [
            {
                "name": name,
                "target_port": port,
                "access": "INBOUND_APPNET",
                "inbound_net_interface": name,
            }
            for name, port in inbounds.items()
        ],
    }


def replica_id():
    """As each sidecar makes for itself."""
    return "".join(random.choices(string.ascii_lowercase + string.digits, k=16))


def check(file):
    """`appnet-registry --check` of a file."""
    return run([program("appnet-registry"), "--check", "-c", file], check=False)
