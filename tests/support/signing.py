"""Keys and certificate signing requests, made by openssl: right ones, and such as nobody should
sign.
"""

import hashlib
import subprocess

from .process import run

_KEYS = {
    "P-256": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "P-384": ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "secp256k1": ["EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
    "RSA-1024": ["RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
    "RSA-2048": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "Ed25519": ["ED25519"],
}


def make_key(path, kind="P-256"):
    path.touch(0o600)
    run(["openssl", "genpkey", "-algorithm", *_KEYS[kind], "-out", path])
    return path


def make_request(key, subject, names="", *, digest="sha256", extensions=()):
    """A request in PEM. `subject` is a name for CN, or openssl's "/O=x/CN=y"; `names` its form of
    alternative names ("URI:x,DNS:y"), none when empty.
    """
    if not subject.startswith("/"):
        subject = f"/CN={subject}"
    command = ["openssl", "req", "-new", "-key", key, "-subj", subject]
    command += [f"-{digest}"] if digest else []
    if names:
        command += ["-addext", f"subjectAltName={names}"]
    for extension in extensions:
        command += ["-addext", extension]
    return run(command).stdout


def text_of(certificate):
    """What openssl says of a certificate's file."""
    return run(["openssl", "x509", "-noout", "-text", "-in", certificate]).stdout


def ca_hash(certificate):
    """SHA-256 of the first certificate in a file, as join tokens have it."""
    der = subprocess.run(
        ["openssl", "x509", "-in", certificate, "-outform", "DER"], capture_output=True, check=True
    ).stdout
    return hashlib.sha256(der).hexdigest()
