"""What the nginx of an edge is told in memory alone: the keys that open private keys, and a placeholder.

`run_edge` writes it to a file that has no name and no disk (memfd_create(2)) and becomes nginx, which
inherits the descriptor: so no key stands in a file, in an argument or in the environment of a process. It
stays with nginx's master, which reads it again at each reload; `run_edge --reload` writes new keys to it.
"""

import base64
import datetime
import json
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings

from accounts.sealing import edges_ring

NAME = "cirrus-keys"

#: How long the placeholder for unknown names is valid; it is made anew at each start and reload.
PLACEHOLDER_DAYS = 3650


def contents() -> str:
    """The text for `cirrus.tls.keyring` and `cirrus.tls.placeholder`, JSON."""
    keys = [[key_id, base64.b64encode(key).decode()] for key_id, key in edges_ring().items()]
    wanted = settings.CIRRUS.edge_unknown_sni == "placeholder"
    return json.dumps({"keys": keys, "placeholder": placeholder() if wanted else None})


def placeholder() -> dict[str, str]:
    """A new certificate for no name at all, and its key (PKCS #8, DER)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "placeholder.invalid")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=PLACEHOLDER_DAYS))
        .sign(key, hashes.SHA256())
    )
    der = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "chain": certificate.public_bytes(serialization.Encoding.PEM).decode(),
        "key": base64.b64encode(der).decode(),
    }


def create() -> int:
    """A new file in memory with `contents()`; its descriptor, which the next program inherits."""
    descriptor = os.memfd_create(NAME, 0)
    _write(descriptor)
    return descriptor


def renew(pid: int, descriptor: int) -> bool:
    """Write `contents()` of now for a running nginx. False where that has no such file."""
    path = Path(f"/proc/{pid}/fd/{descriptor}")
    try:
        if NAME not in os.readlink(path):
            return False
        found = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        _write(found)
    finally:
        os.close(found)
    return True


def _write(descriptor: int) -> None:
    text = contents().encode()
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text, 0)
