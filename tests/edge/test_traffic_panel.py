"""Traffic in the portal and on the command line."""

import json
import time

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.urls import reverse

from accounts.models import User
from edge import keyspace as names
from edge.traffic import DAY, Traffic, TrafficReport
from edge.traffic_panel import bars, sized
from tests.factories import DomainFactory, HostNameFactory, NodeFactory

pytestmark = pytest.mark.django_db(transaction=True)

SAID = {
    **{"requests": 1234, "bytes": 5_600_000, "hit": 1000, "stale": 34, "2xx": 1200, "5xx": 34},
    **{"origin_requests": 10, "origin_ms": 1500, "paths": [["/<b>", 77]]},
}


@pytest.fixture
def domain(keyspace):
    NodeFactory(name="edge-1")
    return DomainFactory(host="www.a.example")


def write(keyspace, *, ago=0):
    key = names.stats_key("edge-1", int(time.time() // 60) - ago)
    keyspace.client.hset(key, "www.a.example", json.dumps(SAID))


def page(client, domain):
    return client.get(reverse("admin:domains_domain_change", args=[domain.pk])).content.decode()


def panel(client, domain, minutes=60):
    url = reverse("admin:domains_domain_traffic", args=[domain.pk])
    return client.get(f"{url}?minutes={minutes}").content.decode()


def test_the_page_of_a_domain_shows_its_last_hour(admin_client, keyspace, domain):
    write(keyspace)
    text = page(admin_client, domain)
    for shown in ("1,234", "83.8%", "5.6 MB", "Status 5xx", "0.150 s", "/&lt;b&gt;", "<svg"):
        assert shown in text
    assert text.count("<rect") == 120


def test_the_day_is_asked_for_by_a_link(admin_client, keyspace, domain):
    write(keyspace, ago=700)
    assert "No traffic yet." in panel(admin_client, domain)
    text = panel(admin_client, domain, DAY)
    assert "1,234" in text
    assert "<html" not in text


def test_no_traffic_and_no_redis_are_told_apart(admin_client, keyspace, domain):
    assert "No traffic yet." in page(admin_client, domain)
    keyspace.stop()
    text = page(admin_client, domain)
    assert "Not known now: Redis cannot be reached." in text
    assert "No traffic yet." not in text


def test_a_domain_that_is_being_added_has_no_panel(admin_client, keyspace):
    text = admin_client.get(reverse("admin:domains_domain_add")).content.decode()
    assert 'id="traffic"' not in text


def test_the_panel_is_for_those_who_may_see_the_domain(client, keyspace, domain):
    mallory = User.objects.create_user("mallory", is_staff=True)
    client.force_login(mallory)
    url = reverse("admin:domains_domain_traffic", args=[domain.pk])
    assert client.get(url).status_code == 404
    mallory.user_permissions.add(Permission.objects.get(codename="view_domain"))
    assert client.get(url).status_code == 200
    assert client.get(reverse("admin:domains_domain_traffic", args=[domain.pk + 1])).status_code == 404


def test_the_command_prints_the_same_for_any_name_of_the_domain(keyspace, domain, capsys):
    HostNameFactory(domain=domain, name="a.example")
    write(keyspace, ago=90)
    call_command("traffic", "A.example")
    assert "No traffic in the last 60 minutes." in capsys.readouterr().out
    call_command("traffic", "a.example", "--minutes=100")
    text = capsys.readouterr().out
    assert "1,234" in text
    assert "77 /<b>" in text


def test_the_command_refuses_with_a_sentence(keyspace, domain):
    with pytest.raises(CommandError, match=r"No domain is called nowhere.example\."):
        call_command("traffic", "nowhere.example")
    with pytest.raises(CommandError, match="invalid minutes value: '0'"):
        call_command("traffic", "www.a.example", "--minutes=0")
    keyspace.stop()
    with pytest.raises(CommandError, match="not known now: Redis cannot be reached"):
        call_command("traffic", "www.a.example")


def test_bars_fill_the_chart_and_the_highest_is_the_busiest():
    requests = [0] * DAY
    requests[0], requests[25] = 10, 5
    drawn = bars(TrafficReport(29_000_000, requests, Traffic()))
    assert [(bar.height, bar.y) for bar in drawn[:3]] == [(60.0, 0.0), (30.0, 30.0), (0.0, 60.0)]
    assert len(drawn) == 60
    assert drawn[0].title.endswith(": 10 requests")
    assert bars(TrafficReport(0, [0] * 60, Traffic())) == []


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2e9, "2.0 GB"), (3e15, "3000.0 TB")]
)
def test_bytes_are_told_as_people_read_them(count, text):
    assert sized(count) == text
