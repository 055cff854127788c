"""A real NSD, configured by `nsd_config`, is fed by the hidden primary, whatever dies."""

import signal
import subprocess
import sys
import time
from collections import Counter
from io import StringIO

import dns.exception
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from dnszones.store import read_seen, remove_zone
from tests.dnszones.published import names, publish, publish_secondaries, secondary
from tests.servers import NsdServer, binary, eventually, free_port
from tests.system.dns_world import APEX, primary_settings

pytestmark = pytest.mark.system


@pytest.fixture
def nsd(redis_client, tmp_path):
    """An NSD that is told of a primary on the port `nsd.primary_port`; not yet started."""
    server = NsdServer(tmp_path / "nsd", free_port())
    publish_secondaries(redis_client, secondary(port=server.port))
    yield server
    server.stop()


def configure(nsd, primary_port):
    out = StringIO()
    call_command(
        *("nsd_config", "--secondary", "ns1", "--folder", str(nsd.folder)),
        *("--primary", f"127.0.0.1@{primary_port}", "--verify-port", str(free_port())),
        *("--python", sys.executable),
        stdout=out,
    )
    return out.getvalue()


@pytest.fixture
def pair(nsd, redis_client, start_primary):
    """A primary and an NSD that serves version 7 of the zone."""
    publish(redis_client, APEX, names(APEX), serial=7)
    primary = start_primary()
    configure(nsd, primary.port)
    nsd.start()
    eventually(lambda: serves(nsd, 7))
    return primary, nsd


def serves(nsd, serial, apex=APEX):
    return nsd.ask(f"_rev.{apex}", "TXT") == [f'"{serial}"']


def test_a_change_reaches_nsd_by_notify_within_a_moment(pair, redis_client):
    primary, nsd = pair
    eventually(lambda: read_seen(redis_client, APEX)["ns1"].serial == 7)
    assert nsd.ask(f"s1.{APEX}") == ["192.0.2.1"]
    assert nsd.ask(f"anything.wild.{APEX}", "CNAME") == [f"s0.{APEX}."]
    began = time.monotonic()
    publish(redis_client, APEX, names(APEX, sites=5, address="192.0.2.2"), serial=8)
    eventually(lambda: serves(nsd, 8))
    assert time.monotonic() - began < 2
    assert nsd.ask(f"s4.{APEX}") == ["192.0.2.2"]
    assert primary.metric('cirrus_primary_transfers_total{how="ixfr",secondary="ns1"}') == 1
    eventually(lambda: read_seen(redis_client, APEX)["ns1"].serial == 8)
    assert primary.metric("cirrus_primary_secondaries_behind") == 0


def test_many_differences_in_a_row_leave_nsd_with_the_very_zone(pair, redis_client):
    _, nsd = pair
    for serial in range(8, 20):
        publish(
            redis_client, APEX, names(APEX, sites=serial % 5 + 1, address=f"192.0.2.{serial}"), serial=serial
        )
    eventually(lambda: serves(nsd, 19))
    nsd.control("write", APEX)
    file = nsd.folder / "zones" / f"{APEX}.zone"

    def records():
        """The records of the file, without their names; NSD writes a name once."""
        return Counter(tuple(line.split()[-2:]) for line in file.read_text().splitlines() if "\tIN\t" in line)

    expected = Counter({("TXT", '"19"'): 1, ("A", "192.0.2.19"): 5})
    eventually(lambda: expected <= records() and sum(records().values()) == 16)


def test_nsd_answers_on_while_the_primary_is_away_and_after_its_own_crash(pair, redis_client, start_primary):
    primary, nsd = pair
    eventually(lambda: (nsd.folder / "zones" / f"{APEX}.zone").exists())
    primary.stop(signal.SIGKILL)
    assert nsd.ask(f"s1.{APEX}") == ["192.0.2.1"]
    nsd.stop(signal.SIGKILL)
    nsd.start()
    assert eventually(lambda: nsd.ask(f"s1.{APEX}")) == ["192.0.2.1"]
    publish(redis_client, APEX, names(APEX, address="192.0.2.2"), serial=8)
    primary.start()
    eventually(lambda: serves(nsd, 8), within=30)


def test_an_nsd_that_started_before_the_primary_is_fed_as_soon_as_it_is_there(
    nsd, redis_client, start_primary
):
    publish(redis_client, APEX, names(APEX), serial=7)
    port = free_port()
    configure(nsd, port)
    nsd.start()
    with pytest.raises((AssertionError, dns.exception.Timeout)):
        serves(nsd, 7)
    primary = start_primary(wait=False)
    primary.stop()
    primary.port = port
    primary.start()
    eventually(lambda: serves(nsd, 7), within=30)


def test_without_the_right_key_nsd_gets_nothing(nsd, redis_client, start_primary):
    publish(redis_client, APEX, names(APEX), serial=7)
    primary = start_primary()
    configure(nsd, primary.port)
    key = nsd.folder / "key.conf"
    assert key.stat().st_mode & 0o777 == 0o600
    key.write_text(key.read_text().replace('secret: "', 'secret: "AAAA'))
    nsd.start()
    eventually(lambda: primary.metric('cirrus_primary_answers_total{answer="badsig"') > 0)
    with pytest.raises(AssertionError, match="SERVFAIL"):
        serves(nsd, 7)


# ── the last hop verifies ───────────────────────────────────────────────────────────────────────


def test_a_bad_version_is_refused_by_nsd_and_the_old_zone_stays(pair, redis_client):
    _, nsd = pair
    publish(redis_client, APEX, names(APEX, sites=50), serial=8)
    eventually(lambda: serves(nsd, 8))
    empty = {name: sets for name, sets in names(APEX).items() if not name.startswith("s")}
    publish(redis_client, APEX, empty, serial=9)
    eventually(lambda: "9 is refused. 50 of 52 names have lost all their answers" in nsd.log(), within=30)
    assert serves(nsd, 8)
    assert nsd.ask(f"s49.{APEX}") == ["192.0.2.1"]
    eventually(lambda: read_seen(redis_client, APEX)["ns1"].error == "it has not fetched the version")
    # The next good version is taken.
    publish(redis_client, APEX, names(APEX, sites=49), serial=10)
    eventually(lambda: serves(nsd, 10), within=30)


def test_a_zone_without_name_servers_is_refused_even_as_the_first_one(nsd, redis_client, start_primary):
    bad = names(APEX)
    bad["@"] = (("TXT", 60, ('"no servers"',)),)
    publish(redis_client, APEX, bad, serial=7)
    primary = start_primary()
    configure(nsd, primary.port)
    nsd.start()
    eventually(lambda: "7 is refused. It has no NS record" in nsd.log(), within=30)
    with pytest.raises(AssertionError, match="SERVFAIL"):
        serves(nsd, 7)


def test_a_zone_that_really_shrinks_is_let_through_by_order(pair, redis_client):
    _, nsd = pair
    publish(redis_client, APEX, names(APEX, sites=50), serial=8)
    eventually(lambda: serves(nsd, 8))
    (nsd.folder / "verify" / f"{APEX}.accept").touch()
    publish(redis_client, APEX, names(APEX, sites=1), serial=9)
    eventually(lambda: serves(nsd, 9), within=30)
    assert not (nsd.folder / "verify" / f"{APEX}.accept").exists()
    assert "9 is accepted by order" in nsd.log()


# ── zones come and go ───────────────────────────────────────────────────────────────────────────


def sync(nsd, **more):
    out = StringIO()
    call_command("nsd_sync", "--secondary", "ns1", "--folder", str(nsd.folder), stdout=out, **more)
    return out.getvalue().strip()


def test_new_zones_reach_a_running_nsd_and_gone_ones_leave_it(pair, redis_client):
    _, nsd = pair
    assert sync(nsd) == "It had all zones already."
    many = [f"z{number}.example" for number in range(100)]  # NSD verifies each with a program of its own
    for apex in many:
        publish(redis_client, apex, names(apex), serial=1)
    assert sync(nsd) == "It has the zones of now."
    eventually(lambda: all(serves(nsd, 1, apex) for apex in many), within=100)
    assert serves(nsd, 7)
    remove_zone(redis_client, "z0.example")
    sync(nsd)
    eventually(lambda: _refused(nsd, "z0.example"))
    assert serves(nsd, 1, "z1.example")


def _refused(nsd, apex):
    try:
        nsd.ask(f"_rev.{apex}", "TXT")
    except AssertionError as error:
        return "REFUSED" in str(error)
    return False


def test_an_emptied_redis_takes_no_zone_from_nsd(pair, redis_client):
    _, nsd = pair
    redis_client.flushall()
    publish_secondaries(redis_client, secondary(port=nsd.port))
    assert sync(nsd) == "It had all zones already."
    assert serves(nsd, 7)


def test_a_watching_nsd_sync_brings_a_new_zone_by_itself(pair, redis_client):
    _, nsd = pair
    command = [
        sys.executable,
        "manage.py",
        "nsd_sync",
        "--secondary",
        "ns1",
        "--folder",
        str(nsd.folder),
        "--watch",
    ]
    watcher = subprocess.Popen(
        command,
        env=primary_settings(),
        cwd=settings.BASE_DIR,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for number in range(3):
            publish(redis_client, f"z{number}.example", names(f"z{number}.example"), serial=1)
            eventually(lambda apex=f"z{number}.example": serves(nsd, 1, apex), within=30)
        assert watcher.poll() is None
    finally:
        watcher.terminate()
        watcher.wait(timeout=20)


def test_an_nsd_that_is_away_gets_its_list_at_its_next_start(pair, redis_client):
    _, nsd = pair
    nsd.stop()
    publish(redis_client, "z.example", names("z.example"), serial=1)
    with pytest.raises(CommandError, match="has not taken over the list of zones"):
        sync(nsd)
    nsd.start()
    eventually(lambda: serves(nsd, 1, "z.example"), within=30)


# ── what is written ─────────────────────────────────────────────────────────────────────────────


def test_the_configuration_is_accepted_and_our_own_settings_stay(nsd, redis_client):
    publish(redis_client, APEX, names(APEX), serial=7)
    said = configure(nsd, 5300)
    assert said.startswith(f"1 zones for ns1 in {nsd.folder}.")
    (nsd.folder / "local.conf").write_text("server:\n    server-count: 2\n")
    configure(nsd, 5300)
    done = subprocess.run(
        [binary("nsd-checkconf"), "-v", str(nsd.folder / "nsd.conf")],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 0, done.stderr
    assert "server-count: 2" in done.stdout
    assert "zonefiles-write: 2" in done.stdout
    assert 'database: ""' in done.stdout


def test_a_secondary_that_is_not_there_is_told_with_those_that_are(nsd):
    with pytest.raises(CommandError, match=r"No secondary .* is called ns9; there are: ns1\."):
        call_command(
            "nsd_config", "--secondary", "ns9", "--primary", "127.0.0.1@53", "--folder", str(nsd.folder)
        )
    with pytest.raises(CommandError, match=r"has no zones\.conf; manage\.py nsd_config writes it"):
        sync(nsd)


def test_verify_zone_prints_a_zone_that_named_checkzone_accepts(redis_client, tmp_path):
    publish(redis_client, APEX, names(APEX), serial=7)
    out = StringIO()
    call_command("verify_zone", APEX, stdout=out)
    assert out.getvalue() == f"{APEX} 7 is good: 6 names.\n"
    out = StringIO()
    call_command("verify_zone", APEX, "--print", stdout=out)
    (tmp_path / "zone").write_text(out.getvalue())
    command = [binary("named-checkzone"), APEX, str(tmp_path / "zone")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stdout
    with pytest.raises(CommandError, match="No zone b.example is published"):
        call_command("verify_zone", "b.example")
