"""Certificates: the right ones by appnet's own command line, the odd ones by openssl."""

import time
from pathlib import Path

from .environment import program
from .process import run

TRUST_DOMAIN = "shop.example"


class Identity:
    """A folder with cert.pem, key.pem and ca.pem."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.certificate = self.folder / "cert.pem"
        self.key = self.folder / "key.pem"
        self.ca = self.folder / "ca.pem"

    def settings(self):
        """The `identity` section of a sidecar's configuration."""
        return {"certificate": str(self.certificate), "key": str(self.key), "ca": str(self.ca)}

    def is_of(self, ca):
        """Whether the certificate was signed by that of the CA in this file."""
        command = ["openssl", "verify", "-CAfile", ca, self.certificate]
        return run(command, check=False).returncode == 0

    def trusting(self, folder, *authorities):
        """The same certificate, beside a bundle of other CAs."""
        other = Identity(folder)
        other.folder.mkdir(parents=True)
        other.certificate.write_bytes(self.certificate.read_bytes())
        other.key.touch(0o600)
        other.key.write_bytes(self.key.read_bytes())
        other.ca.write_bytes(
            b"".join(authority.certificate.read_bytes() for authority in authorities)
        )
        return other


class Authority:
    """A CA in a folder of its own, made and used by `appnet ca`."""

    def __init__(self, folder, trust_domain=TRUST_DOMAIN):
        self.folder = Path(folder)
        self.trust_domain = trust_domain
        self.certificate = self.folder / "ca.pem"
        self.key = self.folder / "ca-key.pem"
        self._issued = {}
        self._count = 0
        self._create()

    def _create(self):
        run(
            [
                program("appnet"),
                "ca",
                "init",
                "--dir",
                self.folder,
                "--trust-domain",
                self.trust_domain,
            ]
        )

    def uri(self, instance):
        return f"spiffe://{self.trust_domain}/instance/{instance}"

    def issue(self, instance, ttl=None):
        """A fresh certificate of the instance."""
        identity = self._new(instance)
        command = [
            program("appnet"),
            "ca",
            "issue",
            "--dir",
            self.folder,
            "--instance",
            instance,
            "--out",
            identity.folder,
        ]
        run(command + (["--ttl", ttl] if ttl else []))
        return identity

    def identity(self, instance):
        """The certificate of the instance, issued when first asked for."""
        if instance not in self._issued:
            self._issued[instance] = self.issue(instance)
        return self._issued[instance]

    def expired(self, instance):
        identity = self.issue(instance, ttl="1s")
        time.sleep(2.1)
        return identity

    def forge(self, label, names, *, curve="P-256", ca=False, usage="clientAuth,serverAuth"):
        """A certificate of this CA with any subject alternative names (openssl's form:
        "URI:x,DNS:y"; "" for none).
        """
        identity = self._new(label)
        identity.folder.mkdir()
        _forge(
            identity.certificate,
            identity.key,
            signer=(self.certificate, self.key),
            label=label,
            names=names,
            curve=curve,
            ca=ca,
            usage=usage,
        )
        identity.ca.write_bytes(self.certificate.read_bytes())
        return identity

    def own_certificate_as_leaf(self):
        """The CA's own certificate and key, used as if they were an instance's."""
        identity = self._new("ca-as-leaf")
        identity.folder.mkdir()
        identity.certificate.write_bytes(self.certificate.read_bytes())
        identity.key.touch(0o600)
        identity.key.write_bytes(self.key.read_bytes())
        identity.ca.write_bytes(self.certificate.read_bytes())
        return identity

    def below_intermediate(self, label, intermediate_names, leaf_names):
        """A leaf whose issuer is an intermediate with names of its own; cert.pem holds both."""
        identity = self._new(label)
        identity.folder.mkdir()
        middle, middle_key = identity.folder / "middle.pem", identity.folder / "middle-key.pem"
        _forge(
            middle,
            middle_key,
            signer=(self.certificate, self.key),
            label=f"{label} intermediate",
            names=intermediate_names,
            ca=True,
            usage=None,
        )
        _forge(
            identity.certificate,
            identity.key,
            signer=(middle, middle_key),
            label=label,
            names=leaf_names,
        )
        with open(identity.certificate, "ab") as chain:
            chain.write(middle.read_bytes())
        identity.ca.write_bytes(self.certificate.read_bytes())
        return identity

    def _new(self, label):
        self._count += 1
        return Identity(self.folder / f"{self._count}-{label}"[:80])


class OpenAuthority(Authority):
    """A CA made by openssl that lets intermediates be, whatever appnet's own CAs say about that."""

    def _create(self):
        self.folder.mkdir(parents=True)
        _forge(
            self.certificate,
            self.key,
            signer=None,
            label="open CA",
            names=f"URI:spiffe://{self.trust_domain}",
            ca=True,
            usage=None,
        )

    def issue(self, instance, ttl=None):
        assert ttl is None
        return self.forge(instance, f"URI:{self.uri(instance)}")


def _forge(
    certificate,
    key,
    *,
    signer,
    label,
    names,
    curve="P-256",
    ca=False,
    usage="clientAuth,serverAuth",
):
    key.touch(0o600)
    run(
        [
            "openssl",
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            f"ec_paramgen_curve:{curve}",
            "-pkeyopt",
            "ec_param_enc:named_curve",
            "-out",
            key,
        ]
    )
    lines = [
        "[v3]",
        f"basicConstraints = critical,CA:{'TRUE' if ca else 'FALSE'}",
        f"keyUsage = critical,{'keyCertSign,cRLSign' if ca else 'digitalSignature'}",
        "subjectKeyIdentifier = hash",
    ]
    if usage:
        lines.append(f"extendedKeyUsage = {usage}")
    if names:
        lines.append(f"subjectAltName = {names}")
    extensions = certificate.with_suffix(".cnf")
    extensions.write_text("\n".join(lines) + "\n", encoding="ascii")
    request = certificate.with_suffix(".csr")
    run(["openssl", "req", "-new", "-key", key, "-subj", f"/CN={label}", "-out", request])
    by = ["-CA", signer[0], "-CAkey", signer[1]] if signer else ["-signkey", key]
    run(
        [
            "openssl",
            "x509",
            "-req",
            "-in",
            request,
            *by,
            "-set_serial",
            str(time.time_ns()),
            "-days",
            "1",
            "-extfile",
            extensions,
            "-extensions",
            "v3",
            "-out",
            certificate,
        ]
    )
