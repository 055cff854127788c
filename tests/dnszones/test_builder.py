"""The builder: what a zone consists of, and that nothing that was typed breaks it."""

import subprocess

import dns.name
import dns.zone
import pytest
from django.core.exceptions import ValidationError
from hypothesis import given, settings
from hypothesis import strategies as st

from dnszones.builder import (
    Answer,
    NameServerFacts,
    Neighbourhood,
    RecordFacts,
    ZoneFacts,
    build_zone,
    mailbox_name,
)
from dnszones.names import full_name, normalize_owner
from dnszones.records import normalize_value
from dnszones.zonedata import encode_names
from tests.servers import ROOT, binary

SERVERS = (NameServerFacts("ns1.a.example", "192.0.2.53"), NameServerFacts("ns2.other.example"))
GOLDEN = ROOT / "tests" / "golden" / "zone.txt"


def zone(apex="a.example", **more):
    return ZoneFacts(**{"apex": apex, "nameservers": SERVERS, **more})


def built(facts, *answers, others=()):
    return build_zone(facts, Neighbourhood([facts, *others]), answers)


def answer(name, *addresses, ttl=None):
    return Answer(
        name,
        ttl,
        tuple(a for a in addresses if ":" not in a),
        tuple(a for a in addresses if ":" in a),
    )


def master_file(facts, result, serial=1):
    """The zone as a file that every name server reads."""
    soa = result.soa
    times = f"{serial} {soa.refresh} {soa.retry} {soa.expire} {soa.minimum}"
    lines = [f"$ORIGIN {facts.apex}.", f"@ {soa.ttl} IN SOA {soa.mname} {soa.rname} {times}"]
    for owner, rrsets in result.names.items():
        lines += [f"{owner} {ttl} IN {rtype} {data}" for rtype, ttl, values in rrsets for data in values]
    return "\n".join(lines) + "\n"


def check_zone(facts, result, folder):
    """What BIND's checker says of the zone: (accepted, its words)."""
    path = folder / "zone"
    path.write_text(master_file(facts, result))
    # Names in other zones cannot be looked up here; an address at a name with an underscore is legal.
    command = [binary("named-checkzone"), "-i", "local", "-k", "ignore", "-m", "warn", facts.apex, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    return done.returncode == 0, done.stdout + done.stderr


FULL = zone(
    rname="dns.team@a.example",
    records=(
        RecordFacts("@", "MX", None, "10 mail.a.example."),
        RecordFacts("@", "TXT", 3600, '"v=spf1 -all"'),
        RecordFacts("@", "CAA", None, '0 issue "letsencrypt.org"'),
        RecordFacts("mail", "A", 300, "192.0.2.25"),
        RecordFacts("mail", "A", 120, "192.0.2.26"),
        RecordFacts("docs", "CNAME", None, "www.example.org."),
        RecordFacts("*.lab", "AAAA", None, "2001:db8::77"),
        RecordFacts("_dmarc", "TXT", None, '"v=DMARC1; p=none"'),
    ),
    challenges=(("_acme-challenge.www", "token-2"), ("_acme-challenge.www", "token-1")),
)
CHILD = zone("b.a.example", nameservers=(NameServerFacts("ns1.b.a.example", "192.0.2.54", "2001:db8::54"),))
ANSWERS = (
    answer("a.example", "192.0.2.1", "192.0.2.2", "2001:db8::1"),
    answer("*.shop.a.example", "192.0.2.1", ttl=20),
    answer("k7.a.example", "192.0.2.2"),
)


def test_a_whole_zone_is_what_the_golden_file_says():
    assert master_file(FULL, built(FULL, *ANSWERS, others=[CHILD])) == GOLDEN.read_text()


def test_named_checkzone_accepts_a_whole_zone_and_its_child(tmp_path):
    for facts, answers in ((FULL, ANSWERS), (CHILD, ())):
        accepted, words = check_zone(
            facts, build_zone(facts, Neighbourhood([FULL, CHILD]), answers), tmp_path
        )
        assert accepted, words


def test_the_checker_does_refuse_a_zone_without_name_servers(tmp_path):
    facts = zone(nameservers=())
    accepted, _ = check_zone(facts, built(facts), tmp_path)
    assert not accepted


def test_the_order_of_facts_does_not_matter():
    turned = zone(
        rname=FULL.rname,
        records=FULL.records[::-1],
        challenges=FULL.challenges[::-1],
    )
    one, other = (
        built(FULL, *ANSWERS, others=[CHILD]),
        build_zone(turned, Neighbourhood([CHILD, turned]), ANSWERS[::-1]),
    )
    assert encode_names(one.names) == encode_names(other.names)
    assert one.names == other.names


def test_records_of_one_set_share_the_lowest_ttl():
    assert built(FULL).names["mail"] == (("A", 120, ("192.0.2.25", "192.0.2.26")),)


def test_a_record_without_a_ttl_has_the_zones():
    facts = zone(default_ttl=77, records=(RecordFacts("x", "A", None, "192.0.2.9"),))
    assert built(facts).names["x"] == (("A", 77, ("192.0.2.9",)),)


def test_a_site_may_be_the_zone_itself_beside_its_mail():
    result = built(FULL, answer("a.example", "192.0.2.1"))
    assert {rtype for rtype, _, _ in result.names["@"]} == {"A", "CAA", "MX", "NS", "TXT"}
    assert result.warnings == []


def test_an_address_of_an_operator_wins_over_a_site():
    facts = zone(records=(RecordFacts("www", "A", None, "198.51.100.1"),))
    result = built(facts, answer("www.a.example", "192.0.2.1", "2001:db8::1"))
    assert result.names["www"] == (("A", 60, ("198.51.100.1",)),)


def test_a_cname_of_an_operator_wins_over_a_site():
    facts = zone(records=(RecordFacts("www", "CNAME", None, "else.example."),))
    result = built(facts, answer("www.a.example", "192.0.2.1"))
    assert result.names["www"] == (("CNAME", 60, ("else.example.",)),)


def test_a_text_of_an_operator_stands_beside_a_site():
    facts = zone(records=(RecordFacts("www", "TXT", None, '"hello"'),))
    result = built(facts, answer("www.a.example", "192.0.2.1"))
    assert [rtype for rtype, _, _ in result.names["www"]] == ["A", "TXT"]


def test_a_site_without_addresses_is_no_name_at_all():
    assert "www" not in built(zone(), answer("www.a.example")).names


def test_an_address_that_two_nodes_share_is_answered_once():
    result = built(zone(), answer("www.a.example", "192.0.2.1", "192.0.2.1"))
    assert result.names["www"] == (("A", 60, ("192.0.2.1",)),)


def test_a_zone_below_ours_is_delegated_with_glue():
    names = built(FULL, others=[CHILD]).names
    assert names["b"] == (("NS", 3600, ("ns1.b.a.example.",)),)
    assert names["ns1.b"] == (("A", 3600, ("192.0.2.54",)), ("AAAA", 3600, ("2001:db8::54",)))


def test_only_the_nearest_zone_above_delegates():
    grandchild = zone("c.b.a.example", nameservers=(NameServerFacts("ns.else.example"),))
    assert "c.b" not in built(FULL, others=[CHILD, grandchild]).names
    assert "c" in build_zone(CHILD, Neighbourhood([FULL, CHILD, grandchild]), ()).names


def test_what_lies_below_a_delegation_is_left_out_and_told():
    facts = zone(
        records=(RecordFacts("x.b", "A", None, "192.0.2.9"),), challenges=(("_acme-challenge.b", "t"),)
    )
    result = built(facts, others=[CHILD])
    assert set(result.names) == {"@", "ns1", "b", "ns1.b"}
    assert len(result.warnings) == 2


def test_the_address_of_a_name_server_in_another_zone_of_ours_stands_there():
    other = zone("other.example", nameservers=(NameServerFacts("dns.a.example", "192.0.2.99"),))
    assert built(zone(), others=[other]).names["dns"] == (("A", 3600, ("192.0.2.99",)),)
    assert "dns.a" not in build_zone(other, Neighbourhood([zone(), other]), ()).names


def test_a_record_cannot_take_the_name_of_a_name_server():
    facts = zone(records=(RecordFacts("ns1", "CNAME", None, "x.example."),))
    result = built(facts)
    assert result.names["ns1"] == (("A", 3600, ("192.0.2.53",)),)
    assert "name server" in result.warnings[0]


def test_the_dots_of_a_mail_address_are_escaped():
    assert mailbox_name("dns.team@a.example") == r"dns\.team.a.example."


LABELS = st.sampled_from(
    ["@", "www", "*", "ns1", "b", "x.b", "_rev", "mail", "*.www", "a.b.c", "Bücher", "_x.y"]
)
TYPED = st.one_of(
    st.tuples(st.just("A"), st.sampled_from(["192.0.2.1", "10.0.0.1", "1.2.3", ""])),
    st.tuples(st.just("AAAA"), st.sampled_from(["2001:db8::1", "::ffff:1.2.3.4", "x"])),
    st.tuples(st.sampled_from(["CNAME"]), st.text(max_size=20) | st.sampled_from(["www.a.example", "x.y."])),
    st.tuples(st.just("TXT"), st.text(max_size=400)),
    st.tuples(st.just("MX"), st.text(max_size=20) | st.sampled_from(["10 mail.a.example", "0 ."])),
    st.tuples(st.just("CAA"), st.text(max_size=30) | st.sampled_from(['0 issue ";"', "128 x-y z"])),
)


def accepted(typed):
    """What the forms let through of what was typed."""
    name, (rtype, value), ttl = typed
    try:
        return RecordFacts(normalize_owner(name, "a.example"), rtype, ttl, normalize_value(rtype, value))
    except ValidationError:
        return None


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(LABELS | st.text(max_size=8), TYPED, st.none() | st.integers(5, 604_800)), max_size=12)
)
def test_whatever_was_typed_the_zone_can_be_read(typed):
    facts = zone(records=tuple(filter(None, map(accepted, typed))))
    result = built(facts, *ANSWERS, others=[CHILD])
    encode_names(result.names)
    read = dns.zone.from_text(master_file(facts, result), origin="a.example.", relativize=False)
    assert read.get_rdataset(dns.name.from_text("a.example."), "NS") is not None
    for owner, rrsets in result.names.items():
        types = [rtype for rtype, _, _ in rrsets]
        assert types == sorted(set(types))
        assert "CNAME" not in types or types == ["CNAME"]
        assert owner != "_rev"
        node = read.get_node(dns.name.from_text(f"{full_name(owner, 'a.example')}."))
        assert sum(len(rdataset) for rdataset in node) == sum(len(data) for _, _, data in rrsets) + (
            owner == "@"
        )


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(LABELS, TYPED, st.none()), min_size=5, max_size=12))
def test_whatever_was_typed_the_checker_accepts_the_zone(tmp_path_factory, typed):
    facts = zone(records=tuple(filter(None, map(accepted, typed))))
    fine, words = check_zone(facts, built(facts, *ANSWERS, others=[CHILD]), tmp_path_factory.mktemp("zone"))
    assert fine, words


@pytest.mark.parametrize("host", ["x.b.a.example", "b.a.example"])
def test_a_site_below_a_delegation_is_not_answered_here(host):
    assert built(zone(), answer(host, "192.0.2.1"), others=[CHILD]).names.keys() == {"@", "ns1", "b", "ns1.b"}
