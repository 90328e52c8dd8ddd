"""Sidecars that get their connections from a registry, and what is true of those connections."""

from .authority import Identity
from .mesh import WORKERS
from .wait import eventually


class Fleet:
    """A registry, and the replicas that join it."""

    def __init__(self, lab, **options):
        self._lab = lab
        self.registry = lab.registry(**options)

    def replica(self, instance, inbounds=(), outbounds=(), *, name=None, token=None, **options):
        """A running sidecar of the instance, which has joined. inbounds {name: target}, outbounds
        {name: port to listen at, or None for that of the rule}; `token` instead of a fresh one.
        """
        return self._lab.sidecar(
            name or instance, self.settings(instance, inbounds, outbounds, name, token, **options)
        )

    def settings(self, instance, inbounds=(), outbounds=(), name=None, token=None, **options):
        """The configuration of such a sidecar; those of `required` are required outbounds."""
        name = name or instance
        required = options.pop("required", ())
        token_file = self._lab.folder / f"{name}.token"
        token_file.touch(0o600)
        token_file.write_text(token or self.registry.join_token(instance)["token"] + "\n")
        return {
            "instance": instance,
            "trust_domain": self.registry.trust_domain,
            "state_dir": str(self._lab.folder / f"{name}-state"),
            "drain_timeout": 5,
            "tunnel": {"listen": f"127.0.0.1:{self._lab.port()}", "workers": WORKERS},
            "registry": {"address": self.registry.address, "join_token_file": str(token_file)},
            "inbounds": [
                {"name": inbound, "target": target} for inbound, target in dict(inbounds).items()
            ],
            "outbounds": [
                {
                    "name": outbound,
                    "required": outbound in required,
                    **({"listen": f"127.0.0.1:{port}"} if port else {}),
                }
                for outbound, port in dict(outbounds).items()
            ],
            **options,
        }

    def wait_declared(self, *instances):
        """Until their sidecars have told the registry what they have."""

        def declared():
            known = {row["name"]: row for row in self.registry.instances()}
            return all(
                name in known and known[name]["inbounds"] + known[name]["outbounds"]
                for name in instances
            )

        eventually(declared, what=lambda: f"{instances} declared: {self.registry.instances()}")

    def connect(self, source, outbound, target, inbound):
        """A connection that works; its id."""
        self.wait_declared(source, target)
        row = self.registry.connect(source, outbound, target, inbound).good(202)
        self.wait_state(row["id"], "ESTABLISHED")
        return row["id"]

    def wait_state(self, connection, status, reason=None, timeout=15.0):
        seen = {}

        def reached():
            seen.update(self.registry.connection(connection))
            return seen["status"] == status and (reason is None or seen["reason"] == reason)

        eventually(reached, what=lambda: f"{status} {reason or ''}: {seen}", timeout=timeout)
        return seen

    def remove(self, connection):
        """Asks for its end, and does not wait for it."""
        path = f"/v1/connections/{connection}?confirm_required=true"
        return self.registry.delete(path).good(202)

    def wait_gone(self, connection):
        path = f"/v1/connections/{connection}"
        eventually(
            lambda: self.registry.get(path).status == 404,
            what=lambda: f"{connection} is gone: {self.registry.get(path)}",
        )


def identity_of(sidecar):
    """The certificate that a sidecar got by joining."""
    return Identity(sidecar.configuration["state_dir"])


def tunnel_port(sidecar):
    return int(sidecar.configuration["tunnel"]["listen"].rpartition(":")[2])
