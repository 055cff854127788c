"""Files of strangers, read in a process of its own: how much work it is to open one, the file itself says.

Neither the rounds of a password (PBKDF2, RFC 8018) nor the primes of an RSA key have a bound in the
libraries: a few hundred bytes can keep a processor busy for hours. So another process reads them, with
limits. What goes between the two goes through pipes alone.
"""

import base64
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_der_private_key
from cryptography.x509 import load_der_x509_certificate

from certificates.checks.errors import CertificateRefused
from certificates.checks.keys import PrivateKey
from certificates.checks.material import Material
from certificates.checks.reading import read_pem, read_pkcs12

#: Seconds of work, seconds in all on a machine that is busy, and bytes of memory that one file may take.
WORK, PATIENCE, MEMORY = 10, 30.0, 1024**3

_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); from certificates.checks.apart import main; main()",
    str(Path(__file__).resolve().parents[2]),
)


def read_pem_apart(certificates: bytes, key: bytes = b"", *, password: str = "") -> Material:
    """As `read_pem`; refuses what takes too much work."""
    return _read({"certificates": _text(certificates), "key": _text(key), "password": password})


def read_pkcs12_apart(data: bytes, *, password: str = "") -> Material:
    """As `read_pkcs12`; refuses what takes too much work."""
    return _read({"pkcs12": _text(data), "password": password})


def _read(asked: dict[str, Any]) -> Material:
    command = [sys.executable, "-I", "-c", *_PROGRAM]
    try:
        done = subprocess.run(
            command,
            input=json.dumps({**asked, "work": WORK}).encode(),
            capture_output=True,
            timeout=PATIENCE,
            env={},
        )
        told: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise CertificateRefused(
            f"It takes more than {WORK} s of work to open this, which no usual certificate or key does: make "
            "it anew, without a password or with the usual rounds, and with a key of a usual size."
        ) from error
    if "refused" in told:
        raise CertificateRefused(told["refused"], field=told["field"])
    # What costs so much of an RSA key is to see that its primes are some: that has been done.
    key: Any = load_der_private_key(_bytes(told["key"]), None, unsafe_skip_rsa_key_validation=True)
    found: PrivateKey = key
    chain = tuple(load_der_x509_certificate(_bytes(each)) for each in told["chain"])
    return Material(chain, found, tuple(told["notes"]))


# -- the other process -----------------------------------------------------------------------------


def main() -> None:
    """Read what stands on the standard input, and write what came of it to the standard output."""
    asked = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # it would hold the key
    resource.setrlimit(resource.RLIMIT_CPU, (asked["work"], asked["work"]))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    json.dump(_answer(asked), sys.stdout)


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    password = asked["password"]
    try:
        if "pkcs12" in asked:
            read = read_pkcs12(_bytes(asked["pkcs12"]), password=password)
        else:
            read = read_pem(_bytes(asked["certificates"]), _bytes(asked["key"]), password=password)
    except CertificateRefused as error:
        return {"refused": str(error), "field": error.field}
    chain = [_text(der) for der in read.ders]
    return {"chain": chain, "key": _text(read.key_der), "notes": read.notes}


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)
