"""New settings for an edge that is serving: `manage.py run_edge --reload`."""

import subprocess
import sys
import threading

import pytest

from tests.factories import DomainFactory
from tests.servers import ROOT, OriginAnswer, eventually

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]


def run_edge(edge, *words, **settings):
    return subprocess.run(
        [
            *(sys.executable, str(ROOT / "manage.py"), *edge.command),
            *words,  # the last of two ports counts
        ],
        env={**edge.settings, **settings},
        capture_output=True,
        text=True,
    )


def test_new_settings_are_taken_without_refusing_a_request(edge, origin):
    origin.answer = lambda request: OriginAnswer(body=b"x", headers=(("Cache-Control", "max-age=60"),))
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: edge.get(domain.host, "/known").status_code == 200)
    failures, over = [], threading.Event()

    def ask():
        while not over.is_set():
            try:
                answer = edge.get(domain.host, "/known")
                failures.extend([] if answer.ok else [answer.status_code])
            except OSError as error:
                failures.append(error)

    client = threading.Thread(target=ask)
    client.start()
    old = set(edge.workers())
    done = run_edge(edge, "--reload", CIRRUS_EDGE_MIN_FREE="1m")
    assert done.returncode == 0, done.stderr
    assert set(edge.workers()) - old  # they are there when the command says so
    eventually(lambda: edge.health()["cache"]["min_free_bytes"] == 1024**2)
    over.set()
    client.join()
    assert failures == []
    assert edge.get(domain.host, "/known").headers["X-Cache"] == "HIT"


def test_settings_that_nginx_refuses_leave_the_edge_as_it_is(edge, tmp_path):
    before = (edge.folder / "nginx.conf").read_text()
    bundle = tmp_path / "empty.pem"
    bundle.write_text("nothing")
    done = run_edge(edge, "--reload", CIRRUS_EDGE_CA_BUNDLE=str(bundle))
    assert done.returncode != 0
    assert "nginx refuses its configuration" in done.stderr
    assert (edge.folder / "nginx.conf").read_text() == before
    assert edge.health()["loaded"]


def test_a_port_that_is_taken_leaves_the_edge_as_it_is_and_is_told(edge, origin):
    files = [edge.folder / name for name in ("nginx.conf", "settings.json")]
    before, workers = [file.read_text() for file in files], edge.workers()
    done = run_edge(edge, "--reload", f"--http-port={origin.port}")
    assert done.returncode != 0
    assert f"The edge {edge.node} goes on with the settings that it had: bind() to" in done.stderr
    assert f":{origin.port} failed (98: Address already in use)" in done.stderr
    assert "has the settings of now" not in done.stdout
    assert [file.read_text() for file in files] == before
    assert edge.workers() == workers and edge.health()["loaded"]

    again = run_edge(edge, "--reload", CIRRUS_EDGE_MIN_FREE="1m")
    assert again.returncode == 0, again.stderr
    eventually(lambda: edge.health()["cache"]["min_free_bytes"] == 1024**2)


def test_an_edge_that_does_not_run_cannot_be_reloaded(edge):
    edge.stop()
    done = run_edge(edge, "--reload")
    assert done.returncode != 0
    assert "does not run" in done.stderr
