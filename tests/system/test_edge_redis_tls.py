"""The way from an edge to Redis over TLS: verified, with a certificate of its own, or not at all."""

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from edge.errors import EdgeCannotStart
from edge.redis_place import redis_authorities, redis_for_lua
from tests.factories import DomainFactory
from tests.servers import eventually, free_port
from tests.system.secured import Authority, pkcs8

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]


class Files:
    """The PEM files of an authority, and of one certificate by it for `localhost`."""

    def __init__(self, folder, name):
        authority = Authority(name)
        leaf, key = authority.leaf("localhost")
        self.authority, self.certificate, self.key = (
            folder / f"{name}-{part}.pem" for part in ("ca", "crt", "key")
        )
        self.authority.write_text(authority.pem)
        self.certificate.write_bytes(leaf.public_bytes(Encoding.PEM))
        self.key.write_bytes(pkcs8(key, Encoding.PEM))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Made once: a running Redis reads such files only once."""
    return Files(tmp_path_factory.mktemp("tls"), "ours")


@pytest.fixture
def ours(keyspace, files):
    """Files that both sides know; Redis asks who comes for a certificate by the same authority."""
    files.port = free_port()
    settings = {"cert-file": files.certificate, "key-file": files.key, "ca-cert-file": files.authority}
    keyspace.client.config_set(
        *(word for name, path in settings.items() for word in (f"tls-{name}", str(path)))
    )
    keyspace.client.config_set("tls-port", files.port)
    yield files
    keyspace.client.config_set("tls-port", 0)


def url(files, *, port, host="localhost", **query):
    said = "&".join(f"{name}={path}" for name, path in query.items())
    return f"rediss://{host}:{port}/0?{said}"


def shown(files):
    return {"ssl_certfile": files.certificate, "ssl_keyfile": files.key}


def test_an_edge_that_shows_a_certificate_is_configured_over_tls(ours, one_node, origin, start_edge):
    where = url(ours, port=ours.port, ssl_ca_certs=ours.authority, **shown(ours))
    edge = start_edge("edge-1", CIRRUS_EDGE_REDIS_URL=where)
    DomainFactory(host="www.shop.example", origin__port=origin.port)
    eventually(lambda: edge.get("www.shop.example").status_code == 200)
    assert edge.health()["redis"] == "connected"


@pytest.mark.parametrize("what", ["a stranger's authority", "another name", "no certificate of its own"])
def test_an_edge_does_not_talk_to_a_redis_that_one_of_both_does_not_trust(
    ours, one_node, edge_settings, start_edge, tmp_path, what
):
    stranger = Files(tmp_path, "stranger")
    where = {
        "a stranger's authority": url(ours, port=ours.port, ssl_ca_certs=stranger.authority, **shown(ours)),
        "another name": url(
            ours, port=ours.port, host="127.0.0.1", ssl_ca_certs=ours.authority, **shown(ours)
        ),
        "no certificate of its own": url(ours, port=ours.port, ssl_ca_certs=ours.authority),
    }[what]
    edge = start_edge("edge-1", CIRRUS_EDGE_REDIS_URL=where, wait=False)
    eventually(lambda: "Redis: could not" in edge.errors())
    assert not edge.health()["loaded"]
    assert edge.health()["redis"] != "connected"


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("http://redis.example", "begins with http://"),
        ("rediss://redis.example/0?ssl_cert_reqs=none", "does not know ssl_cert_reqs"),
        ("rediss://redis.example/0?ssl_certfile=/x.pem", "both ssl_certfile and ssl_keyfile, or neither"),
        (
            "rediss://redis.example/0?ssl_certfile=/no.pem&ssl_keyfile=/no.pem",
            "/no.pem, cannot be read: No such file",
        ),
    ],
)
def test_an_impossible_url_is_refused_with_a_sentence(where, sentence):
    with pytest.raises(EdgeCannotStart, match=sentence.replace("/", "\\/")):
        redis_for_lua(where)


def test_what_redis_py_takes_an_edge_takes_alike(tmp_path):
    files = Files(tmp_path, "ours")
    where = url(files, port=6380, ssl_ca_certs=files.authority, ssl_cert_reqs="required", **shown(files))
    assert redis_for_lua(where) == {
        "host": "localhost",
        "port": 6380,
        "database": 0,
        "tls": {"certificate": str(files.certificate), "key": str(files.key)},
    }
    assert redis_authorities(where) == str(files.authority)
    assert redis_authorities("redis://localhost") == ""
