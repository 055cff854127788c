"""The contract of the documents, held on both sides: Python renders the golden ones, Lua accepts them."""

import copy
import json
import re
from typing import Any

import pytest

from domains import limits, unbounded
from domains.documents import domain_document
from domains.models import CacheRule, Domain, Origin
from edge import keyspace
from nodes.documents import node_document
from nodes.models import Node
from tests.factories import (
    CacheConditionFactory,
    CacheRuleFactory,
    DomainFactory,
    HostNameFactory,
    NodeFactory,
    OriginFactory,
)
from tests.lua.runtime import module, to_lua, to_python
from tests.servers import ROOT

check = module("documents").check


def golden(kind: str) -> dict[str, Any]:
    return json.loads((ROOT / "tests" / "golden" / f"{kind}.json").read_text())


def body(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in ("schema", "epoch", "rev")}


def golden_rules(domain: Domain) -> list[CacheRule]:
    """The rules of the golden document as an operator may type them, and one that is disabled."""
    images = CacheRuleFactory(
        domain=domain,
        position=20,
        name="Bilder für alle",
        force=True,
        edge_ttl=3600,
        ttl_by_status="404:10,5xx: 0",
        browser_ttl=0,
        stale_while_revalidate=30,
        stale_if_error=600,
        slices=True,
        query_mode="except",
        query_names="utm_source",
        query_sort=True,
        key_headers="Accept-Language",
        key_cookies="currency",
        key_device=True,
    )
    basket = CacheRuleFactory(
        domain=domain, position=10, name="Basket", match="any", bypass=True, strip_cookies=True
    )
    CacheRuleFactory(domain=domain, position=15, enabled=False)
    typed = [
        (basket, "regex", "", "^/(basket|checkout)$", False),
        (basket, "method", "", "post", False),
        (basket, "cookie", "Staff", "", False),
        (images, "prefix", "", "/img/, /bücher/", False),
        (images, "glob", "", "/img/*.tmp", True),
        (images, "extension", "", "JPG\r\n png\r\n", False),
        (images, "query", "a%5B%5D", "1, 2", False),
        (images, "header", "X-Beta", "", True),
        (images, "country", "", "de", False),
        (images, "network", "", "10.0.0.0/8\n2001:DB8::1", False),
    ]
    for rule, what, name, values, negate in typed:
        condition = CacheConditionFactory.build(rule=rule, what=what, name=name, values=values, negate=negate)
        condition.full_clean()
        condition.save()
    for rule in (basket, images):
        rule.full_clean()
    return [basket, images]


@pytest.mark.django_db
def test_a_domain_is_rendered_as_the_golden_document_has_it():
    expected = body(golden("domain"))
    domain = DomainFactory(
        host="www.example.com",
        origin=False,
        tls=True,
        https_only=True,
        hsts_max_age=31_536_000,
        hsts_subdomains=True,
        tls_policy=Domain.TlsPolicy.MODERN,
        client_auth=Domain.ClientAuth.REQUIRED,
        client_ca=expected["tls"]["client_ca"],
    )
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
    rules = golden_rules(domain)
    expected["rules"][0]["id"], expected["rules"][1]["id"] = rules[0].pk, rules[1].pk
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


@pytest.mark.parametrize(
    ("field", "most"), [("origins", limits.ORIGINS), ("aliases", limits.ALIASES), ("rules", limits.RULES)]
)
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
        ("id", None, "id"),
        ("cache.guard", 1, "guard"),
        ("cache.stale_if_error", 2592001, "stale_if_error"),
        ("rules", {"a": 1}, "rules"),
        ("rules.0.match", "none", "rule 1 (Basket): match"),
        ("rules.0.when.0.what", "moon", "what"),
        ("rules.0.when.0.how", "suffix", "how"),
        ("rules.0.when.0.values", [], "values"),
        ("rules.0.when.0.values.0", "x" * 257, "256"),
        ("rules.0.when.1.values.0", "post", "item 2: values"),
        ("rules.0.when.2.name", "a b", "name"),
        ("rules.0.when.2.negate", "no", "negate"),
        ("rules.1.when.0.values.0", "img/", "item 1"),
        ("rules.1.when.2.values.0", ".jpg", "item 3"),
        ("rules.1.when.4.name", "X-Beta", "name"),
        ("rules.1.when.5.values.0", "Germany", "values"),
        ("rules.1.when.6.values.0", "10.0.0.0/33", "network"),
        ("rules.1.when.6.values.0", "10.0.0.0", "network"),
        ("rules.1.then", None, "then"),
        ("rules.1.then.edge_ttl", -1, "edge_ttl"),
        ("rules.1.then.edge_ttl", 1.5, "edge_ttl"),
        ("rules.1.then.ttl_by_status.0.from", 600, "ttl_by_status item 1"),
        ("rules.1.then.ttl_by_status.0.to", 200, "begin before it ends"),
        ("rules.1.then.query.mode", "some", "query mode"),
        ("rules.1.then.query.names.0", "", "names"),
        ("rules.1.then.key_headers.0", "cookie", "rule 2 (Bilder für alle): then key_headers"),
        ("rules.1.then.key_headers.0", "if-none-match", "key_headers"),
        ("rules.1.then.key_cookies.0", "PHPSESSID", "key_cookies"),
        ("rules.1.then.key_device", "yes", "key_device"),
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


PURGES = {
    **{"schema": 1, "epoch": 1_790_000_000, "rev": 18, "host": "www.example.com", "all": [3, 0]},
    **{
        "urls": [["/a", 17, 0], ["/a?x=1", 0, 18]],
        "prefixes": [["/img/", 17, 0]],
        "tags": [["product-1", 17, 0]],
    },
}


def check_purges(**changes: Any) -> Any:
    return check("purge", "www.example.com", to_lua({**PURGES, **changes}))


def test_the_edge_accepts_purges_and_no_more_of_them_than_may_be_kept():
    assert check_purges() is True
    assert check_purges(urls=[["/a", 1, 0]] * (limits.PURGES - 2)) is True
    assert "more than 4096" in check_purges(urls=[["/a", 1, 0]] * (limits.PURGES - 1))[1]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("all", 3),
        ("all", [3]),
        ("all", [3, -1]),
        ("urls", None),
        ("urls", [["a", 1, 0]]),
        ("urls", [["/a b", 1, 0]]),
        ("urls", [["/a", 1]]),
        ("prefixes", [["/a", 1.5, 0]]),
        ("prefixes", ["/a"]),
        ("tags", [["", 1, 0]]),
        ("tags", [["a b", 1, 0]]),
        ("tags", [["a", "1", 0]]),
    ],
)
def test_the_edge_refuses_spoiled_purges_and_names_the_field(field, value):
    assert field in check_purges(**{field: value})[1]


def test_the_edge_accepts_so_many_values_in_all_rules_and_no_more():
    condition = {"what": "path", "how": "prefix", "values": ["/a"] * limits.VALUES}
    rule = {"id": 1, "name": "", "match": "any", "when": [condition], "then": {}}
    enough = limits.ALL_VALUES // limits.VALUES

    def check_rules(count: int) -> Any:
        return check("domain", "www.example.com", to_lua({**golden("domain"), "rules": [rule] * count}))

    assert check_rules(enough) is True
    assert "2000 values" in check_rules(enough + 1)[1]


def test_both_sides_have_the_same_limits():
    assert to_python(module("limits")) == {
        name: value for name, value in vars(limits).items() if name.isupper()
    }


def test_both_sides_refuse_the_same_headers_and_cookies_in_a_key():
    twin = module("unbounded")
    for name in ("HEADERS", "COOKIE_PARTS", "COOKIE_STARTS", "COOKIE_ENDS"):
        assert to_python(twin[name]) == list(getattr(unbounded, name))
    for name in ("Cookie", "if-range", "X-B3-TraceId", "accept-language", "if", "dates"):
        assert twin.header(name) == unbounded.is_unbounded_header(name)
    for name in ("PHPSESSID", "connect.sid", "_ga_X1", "my_game", "currency", "__cfduid", "sidebar"):
        assert twin.cookie(name) == unbounded.is_unbounded_cookie(name)


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
