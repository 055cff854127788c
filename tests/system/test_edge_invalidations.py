"""What unsafe requests have changed, and what a reload or a trial run beside a running edge leaves alone."""

import subprocess
import sys
from itertools import count

import pytest
import requests
from django.db import transaction

from edge.purges.services import purge_request
from edge.runtime import nginx_binary
from tests.factories import DomainFactory
from tests.servers import ROOT, OriginAnswer, eventually, free_port

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]

versions = count(1)


def numbered(request):
    """An answer that is never the same twice, and that may be kept for an hour."""
    body = f"{request.path} {next(versions)}".encode()
    return OriginAnswer(body=body, headers=(("Cache-Control", "max-age=3600"),))


@pytest.fixture
def domain(edge, origin):
    origin.answer = numbered
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: edge.get(domain.host, "/known").status_code == 200)
    return domain


def settled(edge):
    return not edge.health().get("catching_up")


def purged(edge, domain, **what):
    (purge,) = purge_request(domains=[domain], **what)
    purge.refresh_from_db()
    eventually(lambda: edge.health()["rev"] >= purge.rev)


def test_what_a_post_has_changed_stays_changed_when_the_domain_is_renamed(edge, domain):
    first, alias = domain.host, domain.hostnames.create(name="alias.example")
    eventually(lambda: edge.get("alias.example", "/x").status_code == 200)
    before = edge.get("alias.example", "/x").text
    assert edge.request("POST", "alias.example", "/x", data=b"1").status_code == 200
    after = edge.get("alias.example", "/x").text
    assert after != before
    with transaction.atomic():
        alias.delete()
        domain.host = "alias.example"
        domain.save()
    eventually(lambda: edge.get(first, "/x").status_code == 404)
    assert edge.get("alias.example", "/x").text == after
    edge.stop()
    edge.start()
    eventually(lambda: settled(edge))
    assert edge.get("alias.example", "/x").text != before


def test_a_thousand_posts_take_no_other_site_along_and_fill_no_file(edge, domain, origin):
    other = DomainFactory(origin__port=origin.port)
    eventually(lambda: edge.get(other.host, "/kept").status_code == 200)
    kept = edge.get(other.host, "/kept").text
    before = edge.get(domain.host, "/order/1").text
    with requests.Session() as client:
        for number in range(1500):
            url = f"http://127.0.0.1:{edge.http_port}/order/{number}"
            assert client.post(url, headers={"Host": domain.host}, timeout=30).status_code == 200
    assert edge.get(other.host, "/kept").text == kept
    assert edge.get(domain.host, "/order/1").text != before
    assert len((edge.folder / "invalidations").read_text().splitlines()) <= 1024
    assert edge.health()["generation"] == "0"


@pytest.mark.parametrize("memory", ["cirrus_purges 32m", "cirrus_docs 64m"])
@pytest.mark.parametrize("asked", [1, 6])  # on disk; in memory
def test_a_reload_with_another_size_of_memory_forgets_no_purge(edge, domain, memory, asked):
    before = {path: {edge.get(domain.host, path).text for _ in range(asked)} for path in ("/gone", "/kept")}
    purged(edge, domain, urls=["/gone"])
    conf = edge.folder / "nginx.conf"
    text = conf.read_text()
    assert f"{memory};" in text
    conf.write_text(text.replace(f"{memory};", f"{memory.split()[0]} 48m;"))
    answers = []
    edge.reload()
    for _ in range(20):
        answers.append(edge.get(domain.host, "/gone").text)
    eventually(lambda: settled(edge))
    eventually(lambda: edge.get(domain.host, "/kept").headers["X-Cache"] == "HIT")
    answers.append(edge.get(domain.host, "/gone").text)
    assert before["/gone"].isdisjoint(answers)
    assert {edge.get(domain.host, "/kept").text} == before["/kept"]
    fresh = edge.get(domain.host, "/kept").text
    purged(edge, domain, urls=["/kept"])  # and it learns of new ones
    assert edge.get(domain.host, "/kept").text != fresh


def files_of(edge):
    """Every file that an edge keeps besides its logs and its contact with Redis: inode and text."""
    names = ["settings.json", "nginx.conf", "invalidations", "generation", "snapshot"]
    paths = [edge.folder / name for name in names] + sorted((edge.folder / "tmp").glob("beacon-*"))
    return {path: (path.stat().st_ino, path.read_bytes()) for path in paths if path.exists()}


def test_a_trial_run_of_nginx_beside_a_running_edge_touches_nothing(edge, domain):
    edge.request("POST", domain.host, "/x", data=b"1")
    with (edge.folder / "invalidations").open("a") as file:
        file.write(f"1700000000 {domain.pk} 7\n")  # what a start would leave out
    before = files_of(edge)
    conf = edge.folder / "nginx.conf"
    command = [nginx_binary(), "-e", "stderr", "-p", edge.folder, "-c", conf, "-t"]
    tried = subprocess.run(command, capture_output=True, text=True)
    assert "test is successful" in tried.stderr
    assert files_of(edge) == before


def test_a_second_edge_of_the_same_name_leaves_the_files_of_the_first_alone(edge, domain):
    before = files_of(edge)
    command = [sys.executable, str(ROOT / "manage.py"), "run_edge", "--node", edge.node]
    ports = [f"--{name}-port={free_port()}" for name in ("http", "https", "status")]
    env = {**edge.settings, "CIRRUS_EDGE_PURGE_MEMORY": "33m"}
    tried = subprocess.run([*command, *ports], env=env, capture_output=True, text=True, timeout=60)
    assert "is running already" in tried.stderr
    assert files_of(edge) == before
