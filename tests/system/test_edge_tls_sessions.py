"""TLS sessions: resumed at every edge, and never where they did not begin."""

import os
import secrets
import signal
import socket
import ssl
import time

import pytest

from tests.factories import DomainFactory
from tests.servers import eventually
from tests.system.edge_documents import Documents
from tests.system.secured import EDGE_KEYS, PLAIN, Authority, sealed, secure
from tests.system.test_edge_tls import acknowledged, counted

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
AGO, LATER = -3600, 3600


@pytest.fixture
def edges(two_nodes, start_edge):
    return [start_edge(node, **EDGE_KEYS) for node in ("edge-1", "edge-2")]


@pytest.fixture
def documents(keyspace, edges):
    return Documents(keyspace, *edges)


@pytest.fixture
def authority():
    return Authority()


@pytest.fixture
def make_domain(edges, documents, authority, origin):
    """A domain with TLS on both edges; `tls`: more of that part of its document."""

    def make(**tls):
        domain = DomainFactory(origin__port=origin.port)
        for edge in edges:
            eventually(lambda edge=edge: edge.get(domain.host).status_code == 200)
        secure(documents, domain, authority, tls={**PLAIN, **tls})
        return domain

    return make


def ticket_key(number, since):
    """A key with this id, active since so many seconds from now."""
    return {
        "id": str(number),
        "active_from": int(time.time()) + since,
        "key": sealed(secrets.token_bytes(80), f"tickets:{number}"),
    }


def give(documents, *keys):
    documents.put("tickets", "tickets", {"keys": list(keys)})


class Client:
    """A client that remembers its last session, and speaks one version of TLS."""

    def __init__(self, version, certificate=None):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
        self.context.minimum_version = self.context.maximum_version = version
        if certificate:
            self.context.load_cert_chain(certificate)
        self.session = None

    def ask(self, edge, host, *, forget=False):
        """Whether the session of before was resumed for this host, and the status of an answer."""
        plain = socket.create_connection(("127.0.0.1", edge.https_port), timeout=20)
        session = None if forget else self.session
        with self.context.wrap_socket(plain, server_hostname=host, session=session) as connection:
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while part := connection.recv(65536):
                answer += part
            self.session = connection.session
            return bool(connection.session_reused), int(answer.split()[1])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_is_resumed_at_the_other_edge_also_when_the_keys_have_changed(
    edges, documents, make_domain, version
):
    domain, client = make_domain(), Client(version)
    keys = [ticket_key(1, AGO)]
    give(documents, *keys)
    assert client.ask(edges[0], domain.host) == (False, 200)
    for edge in (edges[1], edges[0]):
        assert client.ask(edge, domain.host) == (True, 200)
    for number in (2, 3, 4):  # each of these sessions is under the key before
        keys = [ticket_key(number, AGO), *keys][:2]
        give(documents, *keys)
        assert client.ask(edges[number % 2], domain.host) == (True, 200)
    give(documents, ticket_key(5, AGO))
    assert client.ask(edges[0], domain.host) == (False, 200)
    eventually(lambda: edges[0].metric('nginx_ssl_handshakes_total{resumed="yes"}') >= 2)
    eventually(lambda: edges[0].metric('nginx_ssl_handshakes_total{resumed="no"}') >= 2)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_key_is_known_before_it_is_used_and_used_from_its_time_on(edges, documents, make_domain, version):
    domain, client = make_domain(), Client(version)
    first, soon = ticket_key(1, AGO), ticket_key(2, 3)
    give(documents, soon, first)
    client.ask(edges[0], domain.host)
    give(documents, soon)  # what was given out before its time was not under it
    assert client.ask(edges[1], domain.host) == (False, 200)
    give(documents, soon, first)
    eventually(lambda: time.time() > soon["active_from"] + 1)
    client.ask(edges[0], domain.host, forget=True)
    give(documents, soon)
    assert client.ask(edges[1], domain.host) == (True, 200)


@pytest.mark.parametrize("version", VERSIONS)
def test_until_keys_have_come_and_after_they_are_gone_no_session_is_resumed(
    edges, documents, make_domain, version
):
    domain, client = make_domain(), Client(version)
    for keys, resumed in [((), False), ((ticket_key(1, AGO),), True), ((), False)]:
        give(documents, *keys)
        client.ask(edges[0], domain.host, forget=True)
        assert client.ask(edges[0], domain.host) == (resumed, 200)


def test_keys_are_kept_over_a_reload_and_a_start_without_redis(edges, documents, make_domain):
    domain, client = make_domain(), Client(VERSIONS[1])
    give(documents, ticket_key(1, AGO))
    client.ask(edges[0], domain.host)
    edges[0].reload()
    assert client.ask(edges[0], domain.host) == (True, 200)
    edges[0].stop()
    edges[0].settings["CIRRUS_EDGE_REDIS_URL"] = "redis://127.0.0.1:1/0"
    edges[0].start()
    assert client.ask(edges[0], domain.host) == (True, 200)


def test_a_key_of_another_size_or_that_cannot_be_opened_is_refused(edges, documents, make_domain):
    domain, client = make_domain(), Client(VERSIONS[1])
    give(documents, ticket_key(1, AGO))
    client.ask(edges[0], domain.host)
    short = {**ticket_key(2, AGO), "key": sealed(secrets.token_bytes(48), "tickets:2")}
    for broken, why in [(short, "has 48 bytes"), ({**ticket_key(2, AGO), "id": "3"}, "does not open it")]:
        give(documents, broken)
        eventually(lambda why=why: why in acknowledged(documents)["refusals"])
        assert client.ask(edges[1], domain.host) == (True, 200)


def test_where_nginx_keeps_no_keys_as_known_nothing_is_resumed_and_all_else_works(
    edges, documents, make_domain
):
    domain, client, edge = make_domain(), Client(VERSIONS[1]), edges[0]
    give(documents, ticket_key(1, AGO))
    conf = (edge.folder / "nginx.conf").read_text()
    for path in (edge.folder / "ticket-slots").iterdir():  # nginx reads others than Lua looks for
        (edge.folder / f"other-{path.name}").write_bytes(os.urandom(80))
        conf = conf.replace(str(path), str(edge.folder / f"other-{path.name}"))
    (edge.folder / "nginx.conf").write_text(conf)
    edge.reload()
    client.ask(edge, domain.host)
    assert client.ask(edge, domain.host) == (False, 200)
    assert "keeps ticket keys in another way" in edge.errors()


# -- sessions and client certificates -----------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_no_session_carries_a_clients_certificate_to_another_domain(
    edges, documents, authority, make_domain, version, tmp_path
):
    give(documents, ticket_key(1, AGO))
    trusting = [
        make_domain(client_auth="required", client_ca=ca.pem) for ca in (authority, authority, Authority())
    ]
    plain = make_domain()
    path, _ = authority.client("till-7", tmp_path)
    client = Client(version, path)
    assert client.ask(edges[0], trusting[0].host) == (False, 200)
    assert client.ask(edges[1], trusting[0].host) == (True, 200)
    session = client.session
    for other, status in [(trusting[1], 200), (trusting[2], 403), (plain, 200)]:
        client.session = session
        assert client.ask(edges[0], other.host) == (False, status)
    # and without the certificate: what was verified once must not be enough elsewhere
    bare = Client(version)
    assert bare.ask(edges[0], plain.host) == (False, 200)
    assert bare.ask(edges[0], trusting[0].host) == (False, 403)
    for reason in ("distrusted", "none"):
        eventually(lambda reason=reason: counted(edges[0], phase="client_certificate", reason=reason) == 1)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_ends_with_the_list_of_authorities_under_which_it_began(
    edges, documents, authority, make_domain, version, tmp_path
):
    give(documents, ticket_key(1, AGO))
    domain = make_domain(client_auth="required", client_ca=authority.pem)
    path, _ = authority.client("till-7", tmp_path)
    client = Client(version, path)
    client.ask(edges[0], domain.host)
    assert client.ask(edges[0], domain.host) == (True, 200)
    tls = {**PLAIN, "client_auth": "required", "client_ca": Authority("Another").pem}
    documents.change(domain, tls=tls)
    assert client.ask(edges[0], domain.host) == (False, 403)


def test_a_worker_that_was_killed_has_a_successor_that_resumes(edges, documents, make_domain):
    domain, client, edge = make_domain(), Client(VERSIONS[1]), edges[0]
    give(documents, ticket_key(1, AGO))
    client.ask(edge, domain.host)
    killed = edge.workers()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: edge.workers() and not set(killed) & set(edge.workers()))
    assert eventually(lambda: client.ask(edge, domain.host)) == (True, 200)
