"""What an edge takes of certificates, challenges, ticket keys and TLS settings, and what it refuses."""

import copy
import json
from typing import Any

import pytest

from domains import limits
from tests.lua.lua_server import LuaServer
from tests.lua.runtime import module, to_lua
from tests.lua.test_documents import check, golden

served = module("certificate_checks").served

KEYS = {"certificate": "www.example.com", "challenge": "www.example.com", "tickets": "tickets"}
TLS = {
    **{"policy": "modern", "https_only": True, "hsts": {"max_age": 31_536_000, "subdomains": False}},
    **{"client_auth": "required", "client_ca": "-----BEGIN CERTIFICATE-----\nMIIB\n"},
}


def changed(kind: str, path: str, value: Any) -> Any:
    """The golden document with another value at `path`; the pair that `check` answers."""
    document = copy.deepcopy(golden(kind))
    *parents, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place: Any = document
    for step in parents:
        place = place[step]
    place[last] = value
    return check(kind, KEYS[kind], to_lua(document))


def check_tls(**changes: Any) -> Any:
    tls = {name: value for name, value in {**TLS, **changes}.items() if value is not None}
    return check("domain", "www.example.com", to_lua({**golden("domain"), "tls": tls}))


@pytest.mark.parametrize("kind", KEYS)
def test_the_edge_accepts_the_golden_documents_and_only_under_their_key(kind):
    assert check(kind, KEYS[kind], to_lua(golden(kind))) is True
    assert "not about" in check(kind, "other.example.com", to_lua(golden(kind)))[1]


@pytest.mark.parametrize(
    ("path", "value", "names"),
    [
        ("id", 0, "id"),
        ("current", 7, "current"),
        ("current.fingerprint", "ab", "current fingerprint"),
        ("current.chain", "MIIB", "current chain must begin with"),
        ("current.chain", "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----", "private key"),
        ("current.chain", "-----BEGIN CERTIFICATE-----" + "A" * limits.CHAIN, "chain"),
        ("current.key", "-----BEGIN PRIVATE KEY-----", "key"),
        ("current.key", "k:" + "A" * limits.SEALED_KEY, "key"),
        ("current.names", [], "names"),
        ("current.names", ["a b"], "names item 1"),
        ("current.names", ["x.example"] * (limits.CERTIFICATE_NAMES + 1), "names"),
        ("current.not_after", 1.5, "not_after"),
        ("current.not_after", 1_790_000_000, "after not_before"),
        ("candidate.not_after", 1, "candidate not_after must be after"),
        ("current.placeholder", None, "placeholder"),
        ("candidate.node", "edge 1", "candidate node"),
    ],
)
def test_a_spoiled_certificate_is_refused_and_the_field_named(path, value, names):
    assert names in changed("certificate", path, value)[1]


def test_a_certificate_may_lack_its_current_or_its_candidate_but_not_both():
    assert changed("certificate", "candidate", None) is True
    assert changed("certificate", "current", None) is True
    neither = {**golden("certificate"), "current": None, "candidate": None}
    assert "neither" in check("certificate", "www.example.com", to_lua(neither))[1]


def test_the_edge_that_tries_a_candidate_serves_it_and_all_others_the_current_one():
    document = golden("certificate")
    assert served(to_lua(document), "edge-1").fingerprint == document["candidate"]["fingerprint"]
    assert served(to_lua(document), "edge-2").fingerprint == document["current"]["fingerprint"]
    assert served(to_lua({**document, "current": None}), "edge-2") is None


@pytest.mark.parametrize(
    ("tokens", "names"),
    [
        ("x", "tokens"),
        ({"a/b": "a.b"}, "tokens"),
        ({"a" * (limits.TOKEN + 1): "a.b"}, "tokens"),
        ({"token": "token"}, "token has characters"),
        ({"token": "token.print\n"}, "token has characters"),
        ({f"t{i}": "a.b" for i in range(limits.TOKENS + 1)}, "no more than"),
    ],
)
def test_spoiled_tokens_are_refused(tokens, names):
    assert names in changed("challenge", "tokens", tokens)[1]


def test_a_challenge_may_have_as_many_tokens_as_an_order_has_names():
    assert changed("challenge", "tokens", {f"t{i}": "a.b" for i in range(limits.TOKENS)}) is True


@pytest.mark.parametrize(
    ("path", "value", "names"),
    [
        ("keys", None, "keys"),
        ("keys.0.id", "", "id"),
        ("keys.0.active_from", "now", "active_from"),
        ("keys.1.key", "plain", "item 2: key"),
    ],
)
def test_spoiled_ticket_keys_are_refused(path, value, names):
    assert names in changed("tickets", path, value)[1]


def test_ticket_keys_are_bounded():
    one = golden("tickets")["keys"][:1]
    assert changed("tickets", "keys", one * limits.TICKET_KEYS) is True
    assert "keys" in changed("tickets", "keys", one * (limits.TICKET_KEYS + 1))[1]


def test_a_domain_may_have_tls_settings():
    assert check_tls() is True
    assert check_tls(hsts=None, client_auth=None, client_ca=None) is True


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"policy": "old"}, "tls policy"),
        ({"https_only": 1}, "tls https_only"),
        ({"hsts": {"max_age": 0, "subdomains": False}}, "tls hsts max_age"),
        ({"hsts": {"max_age": 1}}, "tls hsts subdomains"),
        ({"client_auth": "maybe"}, "tls client_auth"),
        ({"client_ca": "MIIB"}, "tls client_ca"),
        ({"client_ca": None}, "client_ca is missing"),
    ],
)
def test_spoiled_tls_settings_are_refused_and_the_field_named(changes, names):
    assert names in check_tls(**changes)[1]


def test_null_is_the_same_as_nothing_as_cjson_reads_it(tmp_path):
    text = json.dumps({**golden("certificate"), "candidate": None})
    code = f"""
      local document = require("cjson.safe").decode([==[{text}]==])
      return require("cirrus.documents").check("certificate", "www.example.com", document),
        require("cirrus.certificate_checks").served(document, "edge-1").fingerprint
    """
    server = LuaServer(tmp_path, settings={})
    try:
        assert server.run(code) == [True, golden("certificate")["current"]["fingerprint"]]
    finally:
        server.stop()
