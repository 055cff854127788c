"""What a real edge tells of itself: counters, traffic by minute, the log and its rotation, /healthz."""

import json
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
import requests

from edge import keyspace as names
from tests.factories import DomainFactory
from tests.servers import ROOT, OriginAnswer, eventually

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def domain(edge, origin):
    return served_by(edge, origin)


def served_by(edge, origin, **fields):
    domain = DomainFactory(origin__port=origin.port, **fields)
    eventually(lambda: edge.get(domain.host, "/known").status_code == 200)
    return domain


def minutes_of(keyspace, host, *, node="edge-1", back=5):
    """What Redis holds of the last minutes for one domain, oldest first."""
    now = int(time.time() // 60)
    texts = [keyspace.client.hget(names.stats_key(node, now - n), host) for n in range(back, -1, -1)]
    return [json.loads(text) for text in texts if text]


def total(keyspace, host, field):
    return sum(minute[field] for minute in minutes_of(keyspace, host))


def log_lines(edge):
    files = sorted(edge.folder.glob("access.log*"), key=lambda path: path.name)
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


# -- counters ---------------------------------------------------------------------------------------


def test_one_request_counts_in_every_family_it_belongs_to(edge, origin, domain):
    origin.answer = lambda request: OriginAnswer(body=b"x" * 1000, headers=(("Cache-Control", "max-age=60"),))
    before = edge.metric(f'cirrus_http_bytes_total{{host="{domain.host}"}}')
    for _ in range(3):
        edge.get(domain.host, "/counted")

    host = f'host="{domain.host}"'
    assert edge.metric(f'cirrus_cache_requests_total{{{host},status="HIT"}}') == 2
    assert edge.metric(f'nginx_http_requests_total{{{host},status="200"}}') >= 4
    assert edge.metric('nginx_cache_status_total{status="HIT"}') == 2
    assert 3000 < edge.metric(f"cirrus_http_bytes_total{{{host}}}") - before < 6000
    assert edge.metric("nginx_upstream_response_seconds_count") == origin.asked("/counted") + origin.asked(
        "/known"
    )


def test_an_old_answer_counts_as_served_stale(edge, origin, domain):
    old = (("Cache-Control", "max-age=1, stale-while-revalidate=60"),)
    origin.answer = lambda request: OriginAnswer(headers=old)
    edge.get(domain.host, "/old")
    assert edge.metric("cirrus_stale_served_total") == 0
    eventually(lambda: edge.get(domain.host, "/old").headers["X-Cache"] in ("STALE", "UPDATING"), every=0.2)
    eventually(lambda: edge.metric("cirrus_stale_served_total") >= 1)


def test_requests_that_wait_for_one_fetch_count_as_collapsed(edge, origin, domain):
    numbers = count()

    def crowd():
        path, release = f"/crowd-{next(numbers)}", threading.Event()
        origin.answer = lambda request: OriginAnswer(headers=(("Cache-Control", "max-age=60"),), wait=release)
        with ThreadPoolExecutor(5) as pool:
            answers = [pool.submit(edge.get, domain.host, path) for _ in range(5)]
            eventually(lambda: origin.asked(path))
            release.set()
            statuses = sorted(answer.result().headers["X-Cache"] for answer in answers)
        assert statuses == ["HIT"] * 4 + ["MISS"]
        assert origin.asked(path) == 1
        return edge.metric("cirrus_collapsed_total")

    assert edge.metric("cirrus_collapsed_total") == 0
    assert eventually(crowd) <= 4  # a request of the crowd that comes too late is a plain hit


def test_what_goes_past_the_cache_counts_like_the_rest(edge, origin, domain):
    for _ in range(3):
        assert edge.request("POST", domain.host, "/form").headers["X-Cache"] == "NONE"
    assert edge.metric("nginx_upstream_response_seconds_count") == len(origin.requests)
    assert edge.metric(f'nginx_http_requests_total{{host="{domain.host}",status="200"}}') >= 4
    line = eventually(lambda: next(each for each in log_lines(edge) if each["method"] == "POST"))
    assert line["origin"] == f"http://127.0.0.1:{origin.port}"
    assert line["origin_address"] == f"127.0.0.1:{origin.port}"


def test_an_origin_that_invents_statuses_does_not_grow_the_output(edge, origin, domain):
    origin.answer = lambda request: OriginAnswer(status=int(request.path[1:]))
    for status in range(430, 530):
        edge.get(domain.host, f"/{status}")
    text = requests.get(f"http://127.0.0.1:{edge.status_port}/metrics", timeout=5).text
    samples = re.findall(rf'nginx_http_requests_total{{host="{domain.host}",status="(\w+)"}} (\d+)', text)
    assert len(samples) < 20
    assert sum(int(count) for status, count in samples if status != "200") == 100
    assert {"4xx", "5xx", "431", "500"} <= {status for status, _ in samples}


# -- traffic by minute ------------------------------------------------------------------------------


def test_every_request_is_in_redis_once_though_redis_was_away_and_workers_were_replaced(
    keyspace, one_node, start_edge, origin
):
    edge = start_edge(CIRRUS_EDGE_WORKERS="2")
    domain = served_by(edge, origin)
    eventually(lambda: total(keyspace, domain.host, "requests") == origin.asked("/known"), within=25)
    known = origin.asked("/known")

    for _ in range(40):
        edge.get(domain.host, "/page?visitor=1")
    edge.reload()
    keyspace.stop()
    for number in range(30):
        edge.get(domain.host, f"/other-{number}")
    edge.reload()
    keyspace.start()
    for _ in range(10):
        edge.get(domain.host, "/page")

    eventually(lambda: total(keyspace, domain.host, "requests") >= known + 80, within=40)
    time.sleep(11)  # two more rounds in which nothing may be added again
    assert total(keyspace, domain.host, "requests") == known + 80
    assert total(keyspace, domain.host, "2xx") == known + 80
    assert total(keyspace, domain.host, "hit") >= 40
    assert total(keyspace, domain.host, "origin_requests") == len(origin.requests)
    paths = [pair for minute in minutes_of(keyspace, domain.host) for pair in minute["paths"]]
    assert sum(count for path, count in paths if path == "/page") == 50
    key = names.stats_key("edge-1", int(time.time() // 60) - 1)
    assert keyspace.client.ttl(key) <= 2 * 86400


def test_what_an_old_worker_finishes_after_a_reload_counts(keyspace, edge, origin, domain):
    release = threading.Event()
    origin.answer = lambda request: OriginAnswer(body=b"late", wait=release)
    old = set(edge.workers())
    with ThreadPoolExecutor() as pool:
        late = pool.submit(edge.get, domain.host, "/late")
        eventually(lambda: origin.asked("/late"))
        edge.process.send_signal(signal.SIGHUP)
        eventually(lambda: set(edge.workers()) - old)
        eventually(lambda: edge.get("unknown.example").status_code == 404)
        known = edge.metric(f'nginx_http_requests_total{{host="{domain.host}",status="200"}}')
        assert old & set(edge.workers())
        release.set()
        assert late.result().text == "late"
    assert eventually(
        lambda: edge.metric(f'nginx_http_requests_total{{host="{domain.host}",status="200"}}') >= known + 1
    )
    eventually(
        lambda: any(
            path == "/late" for minute in minutes_of(keyspace, domain.host) for path, _ in minute["paths"]
        ),
        within=25,
    )
    assert total(keyspace, domain.host, "origin_requests") == len(origin.requests)


def test_redis_that_hangs_holds_no_request_up_and_gets_everything_later(keyspace, edge, origin, domain):
    for _ in range(10):
        edge.get(domain.host, "/known")
    keyspace.process.send_signal(signal.SIGSTOP)
    try:
        until, slowest = time.monotonic() + 13, 0.0
        asked = 0
        while time.monotonic() < until:
            began = time.monotonic()
            assert edge.get(domain.host, "/known").ok
            slowest = max(slowest, time.monotonic() - began)
            asked += 1
            time.sleep(0.05)
    finally:
        keyspace.process.send_signal(signal.SIGCONT)
    assert slowest < 1
    expected = edge.metric(f'nginx_http_requests_total{{host="{domain.host}",status="200"}}')
    assert expected > asked
    eventually(lambda: total(keyspace, domain.host, "requests") >= expected, within=25)
    eventually(lambda: total(keyspace, domain.host, "2xx") == expected)


def test_an_edge_that_is_started_again_adds_to_what_it_had_sent(keyspace, edge, origin, domain):
    for _ in range(20):
        edge.get(domain.host, "/before")
    eventually(lambda: total(keyspace, domain.host, "requests") >= 21, within=25)
    before = total(keyspace, domain.host, "requests")
    edge.stop()
    edge.start()
    for _ in range(5):
        edge.get(domain.host, "/after")
    eventually(lambda: total(keyspace, domain.host, "requests") == before + 5, within=25)


def test_a_strange_path_comes_out_as_printable_text(keyspace, edge, domain):
    edge.get(domain.host, "/caf\u00e9/" + "x" * 300)
    eventually(
        lambda: any(
            path.startswith("/caf%") and len(path) <= 101
            for minute in minutes_of(keyspace, domain.host)
            for path, _ in minute["paths"]
        ),
        within=25,
    )


# -- the access log ---------------------------------------------------------------------------------


def test_the_fields_of_the_log_are_those_of_the_documentation(edge, origin, domain):
    edge.get(domain.host, '/a"b?c=1', headers={"User-Agent": 'odd "one"\\', "Referer": "http://x/"})
    line = eventually(lambda: next(each for each in log_lines(edge) if "odd" in each["agent"]))
    page = (ROOT / "docs" / "edge.md").read_text().partition("\n## The access log\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(line)
    assert line["cache"] == "MISS"
    assert line["origin_address"] == f"127.0.0.1:{origin.port}"
    assert line["bytes_received"] > 50
    assert line["bytes_sent"] > line["bytes"] > 0
    assert (line["agent"], line["site"]) == ('odd "one"\\', domain.host)


def test_the_log_is_rotated_under_load_and_no_line_is_lost(one_node, start_edge, origin):
    edge = start_edge(CIRRUS_EDGE_LOG_SIZE="64k", CIRRUS_EDGE_LOG_KEEP="50", CIRRUS_EDGE_WORKERS="2")
    domain = served_by(edge, origin)
    asked, stopping = [], threading.Event()

    def ask(name):
        with requests.Session() as session:
            while not stopping.is_set():
                path = f"/{name}-{len(asked)}-{time.monotonic_ns()}"
                session.get(
                    f"http://127.0.0.1:{edge.http_port}/known?{path}",
                    headers={"Host": domain.host},
                    timeout=30,
                )
                asked.append(f"/known?{path}")

    clients = [threading.Thread(target=ask, args=(name,)) for name in "ab"]
    for client in clients:
        client.start()
    try:
        eventually(lambda: (edge.folder / "access.log.3").exists(), within=60)
    finally:
        stopping.set()
        for client in clients:
            client.join()
    wanted = set(asked)
    eventually(lambda: {line["uri"] for line in log_lines(edge)} >= wanted)
    logged = [line["uri"] for line in log_lines(edge)]
    assert sorted(uri for uri in logged if uri in wanted) == sorted(asked)
    assert edge.metric("cirrus_log_rotations_total") >= 3
    assert "problems" not in edge.health()


def test_only_so_many_old_logs_are_kept(one_node, start_edge, origin):
    edge = start_edge(CIRRUS_EDGE_LOG_SIZE="1k", CIRRUS_EDGE_LOG_KEEP="2")
    domain = served_by(edge, origin)

    def rotated():
        for _ in range(5):
            edge.get(domain.host)
        return edge.metric("cirrus_log_rotations_total") >= 3

    eventually(rotated, within=60, every=0.2)
    kept = {path.name for path in edge.folder.glob("access.log*")}
    assert kept <= {"access.log", "access.log.1", "access.log.2"}
    assert {"access.log.1", "access.log.2"} <= kept


# -- /healthz ---------------------------------------------------------------------------------------


def health(edge):
    response = requests.get(f"http://127.0.0.1:{edge.status_port}/healthz", timeout=5)
    return response.status_code, response.json()


def test_an_edge_whose_cache_disk_is_full_asks_for_no_clients(one_node, start_edge):
    edge = start_edge(CIRRUS_EDGE_MIN_FREE="900000000g")
    eventually(lambda: health(edge)[0] == 503)
    status, report = health(edge)
    assert report["status"] == "failing"
    assert re.search(r"disk has \d+ MB free, less than .*CIRRUS_EDGE_MIN_FREE", report["problems"][0])


def test_a_fit_edge_tells_its_sizes(edge):
    eventually(lambda: health(edge)[1]["cache"].get("free_bytes"))
    status, report = health(edge)
    assert (status, report["status"]) == (200, "ok")
    assert report["cache"]["size"] == "1g"
    assert report["cache"]["keys"] == "64m"
    assert report["cache"]["free_bytes"] > report["cache"]["min_free_bytes"] == 256 * 1024**2


def test_redis_that_is_away_is_a_warning_and_no_reason_to_send_clients_elsewhere(
    keyspace, one_node, start_edge
):
    edge = start_edge(CIRRUS_EDGE_STALE_AFTER="5")
    keyspace.stop()
    eventually(lambda: health(edge)[1]["status"] == "warning", within=20)
    assert health(edge)[0] == 200


def test_an_edge_that_never_had_a_configuration_fails(keyspace, start_edge):
    keyspace.stop()
    edge = start_edge("edge-1", wait=False)
    status, report = eventually(lambda: health(edge))
    assert status == 503
    assert "no configuration has been loaded yet" in report["problems"]
