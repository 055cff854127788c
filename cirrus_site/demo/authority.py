"""The demo's certificate authority: a Pebble, which validates for real and which no browser trusts.

Its roots are new at each start. Those that it has had are kept in one file, so that whoever uses it still
trusts a certificate of before.
"""

import json
import os
import shutil
import ssl
import urllib.request
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cirrus_site.config import Config
from cirrus_site.demo.health import TIMEOUT
from cirrus_site.demo.paths import demo_folder
from cirrus_site.demo.redis_server import SBIN

LOOPBACK = "127.0.0.1"
#: How long its certificates are valid, in seconds, as those of public authorities are.
VALID = 90 * 86_400
#: It waits for nothing, and refuses one nonce in twenty: real authorities do that now and then, too.
ENVIRONMENT = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "5"}


def pebble_binary() -> str:
    """The path of Pebble; "" where it is not installed."""
    return shutil.which("pebble", path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}") or ""


def authority_folder(config: Config) -> Path:
    """All that it has."""
    return demo_folder(config) / "ca"


def roots_file(config: Config) -> Path:
    """The roots that its certificates lead to, for `curl --cacert`."""
    return demo_folder(config) / "roots.pem"


def directory_url(config: Config) -> str:
    """Where its ACME directory is."""
    return f"https://localhost:{config.demo_ca_port}/dir"


def authority_command(config: Config) -> list[str]:
    """How it is started. It asks the demo's name server for everything."""
    server = f"{LOOPBACK}:{config.demo_dns_port}"
    return [pebble_binary() or "pebble", "-config", str(_settings_file(config)), "-dnsserver", server]


def write_authority(config: Config) -> None:
    """Write its settings, and once the certificate of its own server."""
    folder = authority_folder(config)
    folder.mkdir(parents=True, exist_ok=True)
    if not _trust_file(config).exists():
        _write_own_certificate(_trust_file(config), folder / "key.pem")
    settings = {
        "listenAddress": f"{LOOPBACK}:{config.demo_ca_port}",
        "managementListenAddress": f"{LOOPBACK}:{config.demo_ca_roots_port}",
        "certificate": str(_trust_file(config)),
        "privateKey": str(folder / "key.pem"),
        "httpPort": config.demo_http_port,
        "tlsPort": config.demo_https_port,
        "certificateValidityPeriod": VALID,
    }
    _settings_file(config).write_text(json.dumps({"pebble": settings}, indent=1))


def trusted_by(config: Config) -> str:
    """The PEM that the control plane verifies its server by."""
    return _trust_file(config).read_text()


def authority_answers(config: Config) -> None:
    """Whether it answers; raises `OSError` where it does not."""
    _fetch(config, f"https://localhost:{config.demo_ca_port}/dir")


def keep_roots(config: Config) -> Path:
    """Add the root of now to those that are kept, unless it is there; their file. Raises `OSError`."""
    root = _fetch(config, f"https://localhost:{config.demo_ca_roots_port}/roots/0")
    path = roots_file(config)
    known = path.read_text() if path.exists() else ""
    if root.strip() not in known:
        draft = path.with_suffix(".draft")
        draft.write_text(f"{root.strip()}\n{known}")
        draft.replace(path)
    return path


def _fetch(config: Config, url: str) -> str:
    context = ssl.create_default_context(cafile=str(_trust_file(config)))
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    with opener.open(url, timeout=TIMEOUT) as response:
        return str(response.read().decode())


def _settings_file(config: Config) -> Path:
    return authority_folder(config) / "pebble.json"


def _trust_file(config: Config) -> Path:
    return authority_folder(config) / "certificate.pem"


def _write_own_certificate(path: Path, key_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "the demo's certificate authority")])
    now = datetime.now(UTC)
    alternatives = [x509.DNSName("localhost"), x509.IPAddress(ip_address(LOOPBACK))]
    certificate = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with open(os.open(key_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(secret)
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
