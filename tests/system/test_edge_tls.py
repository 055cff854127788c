"""TLS at the edges: which certificate is served to whom, by which versions, and what is refused."""

import hashlib
import json
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.factories import DomainFactory, HostNameFactory
from tests.servers import OriginAnswer, binary, eventually
from tests.system.edge_documents import Documents
from tests.system.secured import EDGE_KEYS, KEY, PLAIN, Authority, ask, certificate_body, pkcs8, secure
from tests.system.secured import sealed as sealed_text

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]

UNRECOGNIZED_NAME = "unrecognized name"
ERRORS = "nginx_ssl_handshake_errors_total"


@pytest.fixture
def edge(one_node, start_edge):
    return start_edge("edge-1", **EDGE_KEYS)


@pytest.fixture
def documents(keyspace, edge):
    return Documents(keyspace, edge)


@pytest.fixture
def authority():
    return Authority()


@pytest.fixture
def domain(edge, origin):
    origin.answer = lambda request: OriginAnswer(
        body=request.path.encode() * 1000, headers=(("Cache-Control", "max-age=60"), ("ETag", '"1"'))
    )
    domain = DomainFactory(origin__port=origin.port)
    for name in ("alias.example", "*.wild.example"):
        HostNameFactory(domain=domain, name=name)
    eventually(lambda: edge.get("a.wild.example", "/known").status_code == 200)
    return domain


def served(edge, name, **options):
    """The fingerprint of the certificate that a client is shown which asks for this name."""
    with shaken(edge, name, **options) as connection:
        return hashlib.sha256(connection.getpeercert(binary_form=True)).hexdigest()


def shaken(edge, name, *, most=None, least=None, ciphers=None, alpn=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers(ciphers or "ALL:@SECLEVEL=0")
    context.minimum_version = least or ssl.TLSVersion.TLSv1_2
    context.maximum_version = most or ssl.TLSVersion.TLSv1_3
    if alpn:
        context.set_alpn_protocols(alpn)
    plain = socket.create_connection(("127.0.0.1", edge.https_port), timeout=20)
    return context.wrap_socket(plain, server_hostname=name)


def fingerprint(body):
    return body["fingerprint"]


def put(documents, domain, **which):
    documents.put(
        "certificate", domain.host, {"id": domain.pk, "host": domain.host, "current": None, **which}
    )


def counted(edge, **labels):
    text = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return edge.metric(f"{ERRORS}{{{text}}}")


# -- whose certificate --------------------------------------------------------------------------------


def test_each_name_of_a_domain_gets_its_certificate_and_a_new_one_at_once(edge, documents, domain, authority):
    first, second = (certificate_body(authority, domain.host, "*.wild.example") for _ in range(2))
    documents.change(domain, tls=PLAIN)
    for body in (first, second):
        put(documents, domain, current=body)
        for name in (domain.host, domain.host.upper(), "alias.example", "a.wild.example", "a.b.wild.example"):
            assert served(edge, name) == fingerprint(body)


def test_a_candidate_is_served_by_the_edge_that_tries_it_and_by_no_other(edge, documents, domain, authority):
    current, candidate = (certificate_body(authority, domain.host) for _ in range(2))
    documents.change(domain, tls=PLAIN)
    put(documents, domain, current=current, candidate={"node": "edge-2", **candidate})
    assert served(edge, domain.host) == fingerprint(current)
    put(documents, domain, current=current, candidate={"node": "edge-1", **candidate})
    assert served(edge, domain.host) == fingerprint(candidate)
    put(documents, domain, current=current)
    assert served(edge, domain.host) == fingerprint(current)


@pytest.mark.parametrize("name", ["unknown.example", "wild.example", None])
def test_a_name_of_nobody_gets_an_alert_that_says_so(edge, documents, domain, authority, name):
    secure(documents, domain, authority, tls=PLAIN)
    with pytest.raises(ssl.SSLError, match=UNRECOGNIZED_NAME):
        shaken(edge, name)
    eventually(lambda: counted(edge, phase="client_hello", reason="unknown_name") == 1)
    assert served(edge, domain.host)


def test_a_domain_without_tls_is_nobody_over_tls(edge, documents, domain, authority):
    put(documents, domain, current=certificate_body(authority, domain.host))
    with pytest.raises(ssl.SSLError, match=UNRECOGNIZED_NAME):
        shaken(edge, domain.host)


def test_a_domain_whose_certificate_is_missing_is_refused_and_counted(edge, documents, domain):
    documents.change(domain, tls=PLAIN)
    with pytest.raises(ssl.SSLError, match="internal error"):
        shaken(edge, domain.host)
    eventually(lambda: counted(edge, phase="certificate", reason="no_certificate") == 1)


def test_where_the_operator_wants_it_a_name_of_nobody_gets_a_placeholder_and_404(
    one_node, start_edge, keyspace, origin, authority
):
    edge = start_edge("edge-1", CIRRUS_EDGE_UNKNOWN_SNI="placeholder", **EDGE_KEYS)
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: edge.get(domain.host).status_code == 200)
    documents = Documents(keyspace, edge)
    secure(documents, domain, authority, tls=PLAIN)
    assert ask(edge, "unknown.example").status == 404
    assert served(edge, None) == served(edge, "unknown.example") != served(edge, domain.host)
    documents.withdraw("certificate", domain.host)
    with pytest.raises(ssl.SSLError, match="internal error"):
        shaken(edge, domain.host)  # somebody's, who may have told clients to insist on a real one


# -- versions and protocols ---------------------------------------------------------------------------


def test_a_modern_domain_speaks_only_tls_1_3_and_its_neighbour_1_2_as_well(
    edge, documents, domain, authority
):
    old = {"most": ssl.TLSVersion.TLSv1_2}
    secure(documents, domain, authority, tls={**PLAIN, "policy": "intermediate"})
    assert shaken(edge, domain.host, **old).version() == "TLSv1.2"
    assert shaken(edge, domain.host).version() == "TLSv1.3"
    documents.change(domain, tls={**PLAIN, "policy": "modern"})
    assert shaken(edge, domain.host).version() == "TLSv1.3"
    with pytest.raises(ssl.SSLError, match="protocol version"):
        shaken(edge, domain.host, **old)
    eventually(lambda: counted(edge, phase="client_hello", reason="protocol") == 1)


def test_what_is_broken_is_spoken_with_nobody(edge, documents, domain, authority):
    secure(documents, domain, authority, tls=PLAIN)
    for refused in [
        {"least": ssl.TLSVersion.TLSv1, "most": ssl.TLSVersion.TLSv1_1},
        {"most": ssl.TLSVersion.TLSv1_2, "ciphers": "ECDHE-ECDSA-AES256-SHA:@SECLEVEL=0"},
    ]:
        with pytest.raises(ssl.SSLError, match="protocol version|handshake failure"):
            shaken(edge, domain.host, **refused)
    eventually(lambda: counted(edge, phase="client_hello", reason="protocol") == 1)
    eventually(lambda: counted(edge, phase="handshake", reason="other") == 1, within=40)


@pytest.mark.parametrize(
    ("offered", "chosen"), [(["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1"), (None, None)]
)
def test_http_2_is_spoken_with_those_who_offer_it(edge, documents, domain, authority, offered, chosen):
    secure(documents, domain, authority, tls=PLAIN)
    with shaken(edge, domain.host, alpn=offered) as connection:
        assert connection.selected_alpn_protocol() == chosen


def test_what_is_cached_is_served_over_http_2_as_it_is_over_http_1(
    edge, documents, domain, authority, origin
):
    secure(documents, domain, authority, tls=PLAIN)

    def curl(path, *options):
        url = f"https://{domain.host}:{edge.https_port}{path}"
        where = ["--resolve", f"{domain.host}:{edge.https_port}:127.0.0.1"]
        command = [binary("curl"), "-sik", "--http2", *where, *options, url]
        told, _, body = subprocess.run(command, capture_output=True, check=True).stdout.partition(b"\r\n\r\n")
        status, *lines = told.decode().lower().splitlines()
        return status.split()[:2], dict(line.split(": ", 1) for line in lines), body

    url = "/big"
    statuses = []
    for _ in range(8):
        status, headers, body = curl(url)
        assert (status, body) == (["http/2", "200"], b"/big" * 1000)
        statuses.append(headers["x-cache"])
    assert statuses == ["miss", *["hit"] * 7]
    assert curl(url, "-I")[1]["content-length"] == "4000"
    assert curl(url, "-r", "4-7")[0::2] == (["http/2", "206"], b"/big")
    assert curl(url, "-H", 'If-None-Match: "1"')[0] == ["http/2", "304"]
    assert curl(url, "-d", "x")[1]["x-cache"] == "none"
    assert curl(url, "-H", "Host: other.example")[0] == ["http/2", "421"]
    sent = {name.lower(): value for name, value in origin.requests[-1].headers.items()}
    assert sent["x-forwarded-proto"] == "https"
    eventually(lambda: protocols(edge, url) == {"HTTP/2.0"})


def protocols(edge, uri):
    lines = [json.loads(line) for line in (edge.folder / "access.log").read_text().splitlines()]
    return {line["protocol"] for line in lines if line["uri"] == uri}


# -- keys ---------------------------------------------------------------------------------------------


def acknowledged(documents):
    return documents.client.hgetall("cdn:ack:edge-1")


def test_the_edge_says_which_keys_it_has(documents):
    assert eventually(lambda: acknowledged(documents).get("keys")) == "test"


def test_what_cannot_be_served_is_refused_with_its_reason_and_the_old_certificate_stays(
    edge, documents, domain, authority
):
    good, other = (certificate_body(authority, domain.host) for _ in range(2))
    _, rsa_like = authority.leaf(domain.host)
    record = f"certificate:{other['fingerprint']}"
    documents.change(domain, tls=PLAIN)
    put(documents, domain, current=good)
    for broken, why in [
        ({"key": good["key"]}, "does not open it for"),
        ({"key": "2031:" + good["key"].partition(":")[2]}, "which this edge has not"),
        ({"key": sealed_text(pkcs8(rsa_like), record)}, "belongs to another certificate"),
        ({"key": sealed_text(b"no key", record)}, "cannot be read"),
        ({"fingerprint": "0" * 64}, "its fingerprint is another one"),
        ({"chain": other["chain"][:200] + other["chain"][400:]}, "its certificate cannot be read"),
        ({"chain": other["chain"] + other["chain"].replace("M", "N")}, "of its chain cannot be read"),
    ]:
        put(documents, domain, current={**other, **broken})
        refusals = eventually(lambda: json.loads(acknowledged(documents)["refusals"]))
        assert why in refusals[f"certificate:{domain.host}"]["why"]
        assert served(edge, domain.host) == fingerprint(good)
    put(documents, domain, current=other)
    assert served(edge, domain.host) == fingerprint(other)
    eventually(lambda: acknowledged(documents)["refusals"] == "{}")


def test_a_reload_brings_new_keys_and_what_was_refused_without_them(edge, documents, domain, authority):
    body = certificate_body(authority, domain.host)
    documents.change(domain, tls=PLAIN)
    put(documents, domain, current={**body, "key": "2031:" + body["key"].partition(":")[2]})
    assert edge.health()["config_errors"] == 1
    edge.settings["CIRRUS_EDGE_KEYS"] = EDGE_KEYS["CIRRUS_EDGE_KEYS"].replace("test:", "2031:")
    with (edge.folder / "error.log").open("ab") as log:
        edge.manage([*edge.command, "--reload"], edge.settings, log).wait(60)
    assert eventually(lambda: served(edge, domain.host)) == fingerprint(body)
    eventually(lambda: acknowledged(documents)["keys"] == "2031")


def test_an_edge_starts_without_redis_and_serves_tls_from_its_snapshot(edge, documents, domain, authority):
    body = certificate_body(authority, domain.host)
    documents.change(domain, tls=PLAIN)
    put(documents, domain, current=body)
    edge.stop()
    edge.settings["CIRRUS_EDGE_REDIS_URL"] = "redis://127.0.0.1:1/0"
    edge.start()
    assert served(edge, domain.host) == fingerprint(body)


def test_no_key_is_in_a_file_nor_in_the_command_lines_or_environments_of_the_edge(
    edge, documents, domain, authority
):
    leaf, key = authority.leaf(domain.host)
    body = certificate_body(authority, domain.host)
    put(documents, domain, current=body)
    documents.change(domain, tls=PLAIN)
    assert served(edge, domain.host)
    eventually(lambda: body["key"].encode() in (edge.folder / "snapshot").read_bytes())
    texts = [path.read_bytes() for path in edge.folder.rglob("*") if path.is_file()]
    for pid in [edge.process.pid, *edge.workers()]:
        texts += [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
    known = EDGE_KEYS["CIRRUS_EDGE_KEYS"].partition(":")[2]
    for secret in (KEY, known.encode(), KEY.hex().encode(), b"PRIVATE KEY"):
        assert not any(secret in text for text in texts)


def test_an_edge_without_https_takes_certificates_and_needs_no_keys(
    one_node, start_edge, keyspace, origin, authority
):
    edge = start_edge("edge-1", CIRRUS_EDGE_KEYS="")
    edge.stop()
    edge.https_port = 0
    edge.start()
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: edge.get(domain.host).status_code == 200)
    secure(Documents(keyspace, edge), domain, authority, tls={**PLAIN, "https_only": True})
    assert edge.health()["config_errors"] == 0
    assert edge.get(domain.host).status_code == 200
