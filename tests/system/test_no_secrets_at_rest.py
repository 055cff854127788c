"""After issuing, uploading and serving, no key stands in any byte that was written, nor in a process list.

Looked for are the secret numbers themselves, so that it does not matter in which form a key might have been
written: DER and PEM of every kind have them in them. What is looked for stands in 16 bytes or more, at most
half of a number: a page boundary of SQLite may cut one half in two, but not both.
"""

import base64
import hashlib
import json
import os
import socket
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.conf import settings as configured

from accounts.sealing import edges_ring, open_sealed
from certificates.deployment import deploy
from certificates.issuance.orders import order_advance
from certificates.models import AuthorityAccount, Certificate, Enrollment, Order, TicketKey
from certificates.resealing import SEALED
from certificates.services.tickets import ticket_keys_rotate
from tests.ca import CertificateAuthority, Resolver
from tests.certificates.house import key_pem
from tests.certificates.issuance.world import authority_of, issued, open_order
from tests.certificates.made import made_certificate, serve
from tests.factories import DomainFactory, NodeFactory
from tests.servers import OriginAnswer, eventually

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]

HALF = 16


# -- what is looked for, and where -------------------------------------------------------------------------


def numbers(der):
    """The secret numbers of a private key (PKCS #8, DER), as bytes."""
    key = serialization.load_der_private_key(der, password=None)
    secret = key.private_numbers()
    if isinstance(key, rsa.RSAPrivateKey):
        return [n.to_bytes(key.key_size // 8, "big").lstrip(b"\0") for n in (secret.p, secret.q, secret.d)]
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return [secret.private_value.to_bytes(key.key_size // 8, "big")]


def forms(number):
    """Bytes of which some stand wherever the number is written: raw, hex, or within something in base64."""
    secret = number[: 2 * HALF]
    for half in (secret[:HALF], secret[HALF:]):
        yield from (half, half[::-1], half.hex().encode(), half.hex().upper().encode())
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            # Without the characters that depend on what stands before and after.
            inner = encode(bytes(before) + secret)[4:-4]
            yield from (inner[:HALF], inner[HALF : 2 * HALF])


def search(folder, wanted):
    """label → the files with one of its forms in them; `wanted`: label → numbers."""
    looked_for = {label: [form for n in some for form in forms(n)] for label, some in wanted.items()}
    found = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.is_symlink():
            continue
        data = path.read_bytes()
        # PEM has lines, and in JSON their ends are two characters.
        joined = data.replace(b"\\n", b"").replace(b"\n", b"").replace(b"\r", b"")
        for label, some in looked_for.items():
            if any(form in data or form in joined for form in some):
                found.setdefault(label, []).append(str(path.relative_to(folder)))
    return found


def holders(folder, text):
    """The files with this sealed text in them, or a part of it."""
    parts = [text[at : at + 40].encode() for at in range(20, len(text) - 40, 20)]
    return [p.name for p in folder.rglob("*") if p.is_file() and any(x in p.read_bytes() for x in parts)]


def processes(file):
    """pid → the bytes of /proc/PID/FILE, of all that can be read."""
    found = {}
    for path in Path("/proc").glob(f"[0-9]*/{file}"):
        try:
            found[int(path.parent.name)] = path.read_bytes()
        except OSError:
            continue
    return found


# -- the look itself ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_the_look_finds_a_key_in_whatever_form_somebody_writes_it(tmp_path, kind):
    key = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, 2048)
    formats = serialization.PrivateFormat
    plain = serialization.NoEncryption()
    der = key.private_bytes(serialization.Encoding.DER, formats.PKCS8, plain)
    old = key.private_bytes(serialization.Encoding.PEM, formats.TraditionalOpenSSL, plain)
    written = {
        "pkcs8.der": der,
        "pkcs8.pem": key_pem(key),
        "old.pem": old,
        "ssh": key.private_bytes(serialization.Encoding.PEM, formats.OpenSSH, plain),
        "in.json": json.dumps({"key": key_pem(key).decode()}).encode(),
        "base64": b"x" + base64.b64encode(der),
        "base64url": base64.urlsafe_b64encode(b"xx" + der),
        "hex": der.hex().encode(),
        "cut in two": numbers(der)[0][:20] + bytes(4096) + numbers(der)[0][20:],
    }
    for name, data in written.items():
        (tmp_path / name).write_bytes(b"\0\1" + data)
    (tmp_path / "encrypted.pem").write_bytes(key_pem(key, password="secret"))
    assert search(tmp_path, {"key": numbers(der)}) == {"key": sorted(written)}


# -- the real thing -------------------------------------------------------------------------------------


@pytest.fixture
def edge(transactional_db, keyspace, start_edge):
    NodeFactory(name="edge-1")
    made = DomainFactory(host="first.example", tls=True)  # the first secret makes the sealing key
    keys = ",".join(f"{name}:{base64.b64encode(key).decode()}" for name, key in edges_ring().items())
    assert keys
    made.delete()
    return start_edge("edge-1", CIRRUS_EDGE_KEYS=keys)


@pytest.fixture
def reached(edge, settings):
    """The worker's own look reaches the edge."""
    settings.CIRRUS = settings.CIRRUS.model_copy(update={"https_port": edge.https_port})
    return edge


@pytest.fixture
def authority(tmp_path_factory, edge, settings):
    resolver = Resolver()
    settings.CIRRUS = settings.CIRRUS.model_copy(update={"resolvers": [resolver.address]})
    # Its own folder: a certificate authority has keys of its own.
    with CertificateAuthority(
        tmp_path_factory.mktemp("ca"), resolver=resolver, http_port=edge.http_port, bad_nonces=10
    ) as ca:
        yield authority_of(ca)
    resolver.stop()


def served_by(edge, name):
    """The fingerprint of what the edge serves for this name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", edge.https_port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=name) as secured,
    ):
        return hashlib.sha256(secured.getpeercert(binary_form=True)).hexdigest()


def serves(edge, certificate, name):
    def look():
        try:
            return served_by(edge, name) == certificate.fingerprint
        except OSError:
            return False

    eventually(look)


def issue(edge, authority, origin):
    """A certificate from the authority, served; and the key that the order had on the way."""
    origin.answer = lambda request: OriginAnswer(404, b"the origin knows no challenge")
    domain = DomainFactory(host="www.issued.example", origin__port=origin.port, tls=True)
    eventually(lambda: b"origin" in edge.get("www.issued.example").content)
    order = open_order(Enrollment.objects.get_or_create(domain=domain)[0], authority)
    on_the_way = []

    def progress(what):
        if what == "ask challenge":
            sealed = Order.objects.get(pk=order.pk).key
            on_the_way.append(open_sealed(sealed, record=f"order:{order.pk}"))

    issued(order_advance(order.pk, progress=progress))
    assert on_the_way
    enrollment = Enrollment.objects.get(domain=domain)
    said = deploy(enrollment.pk)
    assert said.state == "served", said
    enrollment.refresh_from_db()
    serves(edge, enrollment.current, "www.issued.example")
    return on_the_way[0]


def upload(edge):
    """An RSA certificate of somebody's own, served."""
    domain = DomainFactory(host="www.uploaded.example", tls=True)
    certificate = made_certificate(domain, key=rsa.generate_private_key(65537, 2048))
    serve(domain, certificate)
    serves(edge, certificate, "www.uploaded.example")


def everything_is_written(server):
    """Have Redis write its dump too, beside the file that it appends every change to."""
    server.client.config_set("rdbcompression", "no")  # else a key could stand there in pieces
    server.client.save()


def secrets():
    """label → the numbers of every key of this installation, and of what is sealed beside."""
    found = {}
    for row in Certificate.objects.all():
        record = f"certificate:{row.fingerprint}"
        found[f"certificate {row}"] = numbers(open_sealed(row.key, record=record, ring="edges"))
    for row in AuthorityAccount.objects.all():
        record = next(s.record(row) for s in SEALED if s.model is AuthorityAccount)
        found["account"] = numbers(open_sealed(row.key, record=record))
    for row in TicketKey.objects.all():
        key = open_sealed(row.key, record=f"tickets:{row.label}", ring="edges")
        found[f"tickets {row.label}"] = [key[16:48], key[48:80]]  # the name is public
    return found


def rings():
    keys = {f"sealing {name}": [key] for name, key in configured.CIRRUS.sealing_ring().items()}
    return keys | {f"edges {name}": [key] for name, key in edges_ring().items()}


def test_no_key_stands_in_any_file_nor_in_a_process_list(keyspace, reached, authority, origin):
    var = configured.VAR_DIR
    on_the_way = issue(reached, authority, origin)
    upload(reached)
    ticket_keys_rotate()
    eventually(lambda: reached.health()["loaded"])
    everything_is_written(keyspace)

    wanted = secrets() | {"order": numbers(on_the_way)}
    kinds = {label.partition(" ")[0] for label in wanted}
    assert kinds == {"certificate", "account", "tickets", "order"}

    # We look at the right places: the sealed text stands in SQL, in both files of Redis and at the edge.
    sealed = Certificate.objects.get(source="upload").key
    held_by = holders(var, sealed)
    for name in ("sqlite3", "aof", "dump.rdb"):
        assert any(name in each for each in held_by), (name, held_by)
    edge_files = holders(reached.folder, sealed)
    assert edge_files

    assert search(var, wanted) == {}
    # The sealing keys are in one file, which only its owner may read; the edges' keys are in none.
    assert search(var, rings()) == {
        label: ["secrets/sealing_key"] for label in rings() if label.startswith("sealing")
    }

    numbers_of_all = wanted | rings()
    looked_for = [form for some in numbers_of_all.values() for n in some for form in forms(n)]
    for pid, words in processes("cmdline").items():
        assert not any(form in words for form in looked_for), pid
    nginx = [reached.process.pid, *reached.workers()]
    environments = processes("environ")
    assert len(nginx) > 1
    for pid in nginx:
        assert not any(form in environments[pid] for form in looked_for), pid
    assert os.stat(var / "secrets" / "sealing_key").st_mode & 0o077 == 0
