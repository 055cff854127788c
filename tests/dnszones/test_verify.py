"""What the verifier of the last hop lets through. It is run as NSD runs it: alone, by `python -I`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import dnszones.verify
from dnszones.verify import Zone, problem, read_zone

APEX = "cdn.example"
NSD_WRITES = """\
$ORIGIN example.
cdn\t60\tIN\tSOA\tns1.cdn.example. hostmaster.cdn.example. (
\t\t7 300 60 1209600 60 )
\t3600\tIN\tNS\tns1.cdn.example.
\t60\tIN\tTXT\t"a ( in a text" "and \\" a quote"
$ORIGIN cdn.example.
_rev\t5\tIN\tTXT\t"7"
s0\t60\tIN\tA\t192.0.2.1
\t60\tIN\tAAAA\t2001:db8::1
$ORIGIN wild.cdn.example.
*\t60\tIN\tCNAME\ts0.cdn.example.
"""


def zone(serial=7, sites=20, *, servers=True, apart="192.0.2.1", extra=0):
    lines = [f"{APEX}. 60 IN SOA ns1.{APEX}. hostmaster.{APEX}. {serial} 300 60 1209600 60"]
    lines += [f"{APEX}. 60 IN NS ns1.{APEX}."] if servers else []
    lines += [f"s{number}.{APEX}. 60 IN A {apart}" for number in range(sites)]
    lines += [f't{number}.{APEX}. 60 IN TXT "x"' for number in range(extra)]
    return "\n".join(lines) + "\n"


@pytest.fixture
def verify(tmp_path):
    def run(text, apex=APEX):
        return subprocess.run(
            [sys.executable, "-I", dnszones.verify.__file__, str(tmp_path)],
            input=text,
            env={"PATH": os.environ["PATH"], "VERIFY_ZONE": apex},
            capture_output=True,
            text=True,
            timeout=20,
        )

    return run


def test_a_zone_is_read_as_nsd_writes_it():
    found = read_zone(APEX, NSD_WRITES.splitlines(keepends=True))
    assert (found.serial, found.records, found.name_servers, found.names) == (7, 7, 1, 4)
    assert found.served == {"s0.cdn.example.", "*.wild.cdn.example."}


def test_the_digest_does_not_depend_on_the_order_of_lines():
    lines = zone().splitlines()
    assert read_zone(APEX, lines).digest == read_zone(APEX, lines[:1] + lines[:0:-1]).digest


def test_versions_that_rise_are_accepted_and_remembered(verify, tmp_path):
    for text in (zone(7), zone(8, 21), zone(8, 21), zone(9, 12), zone(2**31)):
        done = verify(text)
        assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / f"{APEX}.good").exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (zone(6), "Its serial 6 does not come after 7."),
        (zone(7, apart="192.0.2.9"), "It has the serial 7 of the version before, and other records."),
        (zone(8, servers=False), "It has no NS record."),
        (zone(8, 9), "11 of 20 names have lost all their answers: s10.cdn.example., "),
        (zone(8, 0), "names have lost all their answers"),
        ("", "It has no SOA record."),
        ("nonsense\n", "it cannot be read"),
        (zone(8)[:50], "it cannot be read"),
        (f"{APEX}. 60 IN SOA a. b. ( 8\n", "it cannot be read (a record that does not end"),
    ],
)
def test_a_bad_version_is_refused_with_the_reason_and_the_last_good_one_stays_the_measure(verify, text, why):
    assert verify(zone(7)).returncode == 0
    done = verify(text)
    assert done.returncode == 1
    assert why in done.stderr
    assert "Traceback" not in done.stderr
    assert verify(zone(8, 19)).returncode == 0


def test_a_zone_that_loses_its_other_names_is_refused():
    before = read_zone(APEX, zone(7, 2, extra=100).splitlines())
    after = read_zone(APEX, zone(8, 2, extra=10).splitlines())
    assert problem(after, before, lost_share=0.5, size_share=0.5) == "It has 13 names instead of 103."
    assert problem(after, before, lost_share=0.5, size_share=0.95) == ""


def test_a_zone_that_grows_beyond_all_reason_is_refused_and_an_import_is_not():
    before = Zone(serial=1, name_servers=1, names=20, records=40)
    for count, why in ((900_000, ""), (1_100_000, "It has 1100000 names; 20 before.")):
        after = Zone(serial=2, name_servers=1, names=count, records=count)
        assert problem(after, before, lost_share=0.5, size_share=0.5) == why


def test_no_answer_at_all_is_refused_even_where_few_had_one():
    before = Zone(serial=1, name_servers=1, served={"a."})
    assert "No name has an answer" in problem(
        Zone(serial=2, name_servers=1), before, lost_share=0.5, size_share=0.5
    )


def test_an_order_lets_one_version_through_and_no_second(verify, tmp_path):
    verify(zone(7))
    order = tmp_path / f"{APEX}.accept"
    order.touch()
    done = verify(zone(8, 1))
    assert (done.returncode, order.exists()) == (0, False)
    assert "8 is accepted by order. 19 of 20 names" in done.stderr
    order.touch()
    assert verify(zone(9, 1, servers=False)).returncode == 1  # nothing makes a zone without servers right
    assert order.exists()


def test_a_damaged_memory_counts_as_none(verify, tmp_path):
    (tmp_path / f"{APEX}.good").write_bytes(b"not what it was")
    assert verify(zone(1)).returncode == 0


@pytest.mark.parametrize("apex", ["", "../x"])
def test_a_name_that_is_none_is_refused(verify, apex):
    assert verify(zone(1), apex).returncode == 2


def test_it_imports_nothing_of_ours():
    text = Path(dnszones.verify.__file__).read_text()
    assert "import dnszones" not in text
    assert "from dnszones" not in text
