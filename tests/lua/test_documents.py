"""The contract of the documents, held on both sides: Python renders the golden ones, Lua accepts them."""

import copy
import json
import re
from typing import Any

import pytest

from domains import limits
from domains.documents import domain_document
from domains.models import Origin
from edge import keyspace
from nodes.documents import node_document
from nodes.models import Node
from tests.factories import DomainFactory, HostNameFactory, NodeFactory, OriginFactory
from tests.lua.runtime import module, to_lua, to_python
from tests.servers import ROOT

check = module("documents").check


def golden(kind: str) -> dict[str, Any]:
    return json.loads((ROOT / "tests" / "golden" / f"{kind}.json").read_text())


def body(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in ("schema", "epoch", "rev")}


@pytest.mark.django_db
def test_a_domain_is_rendered_as_the_golden_document_has_it():
    domain = DomainFactory(host="www.example.com", origin=False)
    HostNameFactory(domain=domain, name="bücher.example")
    HostNameFactory(domain=domain, name="*.example.net")
    first = OriginFactory(
        domain=domain,
        scheme=Origin.Scheme.HTTPS,
        host="origin.example.com",
        port=None,
        host_header="www.example.com",
        sni="origin.example.com",
        weight=200,
    )
    second = OriginFactory(
        domain=domain, host="2001:db8::7", port=8080, backup=True, connect_timeout=250, read_timeout=60000
    )
    expected = body(golden("domain"))
    expected["id"] = domain.pk
    expected["origins"][0]["id"], expected["origins"][1]["id"] = first.pk, second.pk
    assert domain_document(domain) == expected


@pytest.mark.django_db
def test_a_node_is_rendered_as_the_golden_document_has_it():
    node = NodeFactory(
        name="edge-1", is_shield=True, ipv4="192.0.2.1", ipv6="2001:db8::1", state=Node.State.UP
    )
    assert node_document(node) == body(golden("node"))


@pytest.mark.parametrize(("kind", "key"), [("domain", "www.example.com"), ("node", "edge-1")])
def test_the_edge_accepts_the_golden_documents(kind, key):
    assert check(kind, key, to_lua(golden(kind))) is True


def test_a_document_may_have_fields_that_this_edge_does_not_know_yet():
    assert check("domain", "www.example.com", to_lua({**golden("domain"), "later": {"a": [1]}})) is True


@pytest.mark.parametrize(("field", "most"), [("origins", limits.ORIGINS), ("aliases", limits.ALIASES)])
def test_the_edge_accepts_as_many_as_the_control_plane_does_and_no_more(field, most):
    one = golden("domain")[field][:1]
    assert check("domain", "www.example.com", to_lua({**golden("domain"), field: one * most})) is True
    _, why = check("domain", "www.example.com", to_lua({**golden("domain"), field: one * (most + 1)}))
    assert field in why


def spoiled(path: str, value: Any) -> dict[str, Any]:
    document = copy.deepcopy(golden("domain"))
    *parents, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place: Any = document
    for step in parents:
        place = place[step]
    place[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "names"),
    [
        ("schema", 2, "schema"),
        ("schema", None, "schema"),
        ("epoch", 0, "epoch"),
        ("rev", "17", "rev"),
        ("rev", 1.5, "rev"),
        ("host", "other.example.com", "other.example.com"),
        ("host", "www.example.com\r\nX: y", "host"),
        ("aliases", "x", "aliases"),
        ("aliases", {"a": "b"}, "aliases"),
        ("aliases.0", "a b", "aliases item 1"),
        ("cache", None, "cache"),
        ("cache.default_ttl", -1, "default_ttl"),
        ("cache.max_ttl", 31536001, "max_ttl"),
        ("origins", [], "origins"),
        ("origins.0.scheme", "ftp", "scheme"),
        ("origins.0.host", "a/b", "host"),
        ("origins.0.port", 65536, "port"),
        ("origins.0.weight", 0, "weight"),
        ("origins.1.backup", "no", "backup"),
        ("origins.1.connect_timeout", 5, "connect_timeout"),
        ("origins.1.host_header", "a\nb", "host_header"),
        ("origins.1", 7, "item 2"),
    ],
)
def test_the_edge_refuses_a_spoiled_document_and_names_the_field(path, value, names):
    accepted, why = check("domain", "www.example.com", to_lua(spoiled(path, value)))
    assert accepted is None
    assert names in why


@pytest.mark.parametrize("value", [7, "text", True, None])
def test_the_edge_refuses_what_is_no_object(value):
    assert check("domain", "www.example.com", value)[0] is None


def test_the_edge_refuses_a_kind_that_it_does_not_know():
    assert "kind" in check("secret", "x", to_lua({}))[1]


def test_both_sides_name_the_keys_alike():
    twin = module("keyspace")
    assert twin.SCHEMA == keyspace.SCHEMA
    assert {name: twin[name] for name in ("META", "CHANGES", "OP_PUT", "OP_GONE")} == {
        name: getattr(keyspace, name) for name in ("META", "CHANGES", "OP_PUT", "OP_GONE")
    }
    assert to_python(twin.DOCUMENTS) == keyspace.DOCUMENTS
    assert sorted(to_python(twin.KINDS)) == sorted(keyspace.DOCUMENTS)
    for name in ("document_key", "index_key", "gone_key", "ack_key", "acks_key"):
        arguments = ("domain", "x.example") if name == "document_key" else ("domain",)
        assert twin[name](*arguments) == getattr(keyspace, name)(*arguments)


def test_an_edge_acknowledges_with_the_fields_of_the_contract():
    text = (ROOT / "edge" / "lua" / "cirrus" / "acknowledgement.lua").read_text()
    fields = re.findall(r'^    "(\w+)",', text, re.MULTILINE)
    assert sorted(fields) == sorted(keyspace.ACK_FIELDS)
