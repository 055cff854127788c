"""Counters and minutes in the shared memory of a real nginx: bounded, and each request once in Redis."""

import json

import pytest

from edge import keyspace as names
from tests.lua.lua_server import LuaServer

COUNT_HOSTS = """
local tally, metrics = require "cirrus.tally", require "cirrus.metrics"
for number = 1, {hosts} do
  tally.request("www.site-" .. number .. ".example", "HIT", 200, 0.001, 10)
  if number % 500 == 0 then metrics.flush() end
end
metrics.flush()
return metrics.render({{}})
"""

ONE_SITE = """
local tally, stats = require "cirrus.tally", require "cirrus.stats"
for _ = 1, {requests} do
  tally.request("www.a.example", "HIT", 200, 0.001, 10)
  if tally.wants_path() then tally.path("www.a.example", "/a") end
end
stats.add(tally.drain(), ngx.time() + {later})
stats.store(true)
"""
SEND = 'require("cirrus.stats").send() return ngx.shared.cirrus_state:get("traffic_problem")'
DROPPED = """
local metrics = require "cirrus.metrics"
metrics.flush()
return ngx.shared.cirrus_metrics:get("cirrus_traffic_dropped_total") or 0
"""


@pytest.fixture
def start(tmp_path, keyspace):
    running = []

    def start(**sizes):
        redis = {"host": "127.0.0.1", "port": keyspace.port, "database": 0}
        running.append(LuaServer(tmp_path, settings={"node": "edge-1", "redis": redis}, **sizes))
        return running[-1]

    yield start
    for server in running:
        server.stop()


def sent(keyspace):
    """The requests that Redis has, by minute."""
    keys = keyspace.client.keys(names.stats_pattern("edge-1"))
    texts = {key: keyspace.client.hget(key, "www.a.example") for key in keys}
    return {int(key.rsplit(":", 1)[1]): json.loads(text)["requests"] for key, text in texts.items() if text}


def samples(text, name):
    return [line for line in text.splitlines() if line.startswith(name + "{")]


def test_twice_as_many_domains_as_have_room_are_counted_together_and_none_is_lost(start):
    [text] = start().run(COUNT_HOSTS.format(hosts=4000))
    for name, expected in [("nginx_http_requests_total", 1), ("cirrus_http_bytes_total", 10)]:
        found = samples(text, name)
        assert len(found) == 2001
        [others] = [line for line in found if 'host="other"' in line]
        assert others.endswith(f" {2000 * expected}")
    assert len(samples(text, "cirrus_cache_requests_total")) == 2001


def test_domains_that_come_again_take_no_more_room(start):
    server = start()
    server.run(COUNT_HOSTS.format(hosts=1500))
    [text] = server.run(COUNT_HOSTS.format(hosts=1500))
    found = samples(text, "nginx_http_requests_total")
    assert len(found) == 1500
    assert all(line.endswith(" 2") for line in found)


def test_labels_are_bounded_at_twice_their_number(start):
    [text] = start().run(
        """
        local metrics = require "cirrus.metrics"
        for number = 1, 128 do metrics.count("cirrus_cache_refused_total", "reason " .. number) end
        metrics.flush()
        return metrics.render({})
        """
    )
    found = samples(text, "cirrus_cache_refused_total")
    assert len(found) == 65
    assert 'cirrus_cache_refused_total{reason="other"} 64' in found


def test_a_metric_that_does_not_exist_harms_nobody(start):
    [text] = start().run(
        """
        local metrics = require "cirrus.metrics"
        for _ = 1, 3 do metrics.count("cirrus_misspelt_total", "x") metrics.count("cirrus_misspelt_total") end
        metrics.flush()
        return metrics.render({})
        """
    )
    assert "misspelt" not in text
    assert "# TYPE nginx_ssl_handshake_errors_total counter" in text


def test_a_sum_that_is_sent_again_is_the_same_sum(start, keyspace):
    server = start()
    server.run(ONE_SITE.format(requests=10, later=0))
    assert server.run(SEND) == [""]
    [(minute, _)] = sent(keyspace).items()
    server.run(f'ngx.shared.cirrus_traffic:delete("s|{minute}")')  # as if the answer had been lost
    server.run(SEND)
    server.run(ONE_SITE.format(requests=5, later=0))
    server.run(SEND)
    assert sum(sent(keyspace).values()) == 15


def test_minutes_that_redis_missed_come_later_and_those_past_ten_are_dropped_and_counted(start, keyspace):
    server = start()
    server.run("ngx.shared.cirrus_state:set('traffic_taken_over', true)")
    for minutes_ago, requests in [(12, 100), (8, 20), (1, 3)]:
        server.run(ONE_SITE.format(requests=requests, later=-60 * minutes_ago))
    keyspace.stop()
    [problem] = server.run(SEND)
    assert problem.startswith("Redis: could not connect")
    keyspace.start()
    assert server.run(SEND) == [""]
    assert sorted(sent(keyspace).values()) == [3, 20]
    assert server.run(DROPPED) == [100]
    server.run(SEND)
    server.run(SEND)
    assert sorted(sent(keyspace).values()) == [3, 20]
    keys = server.run("return ngx.shared.cirrus_traffic:get_keys(0)")[0]
    assert len([key for key in keys if key.startswith("e|")]) <= 1  # what was sent and is over is forgotten


def test_full_memory_drops_and_counts_and_never_breaks(start, keyspace):
    server = start(cirrus_traffic="64k")
    [stored] = server.run(
        """
        local tally, stats = require "cirrus.tally", require "cirrus.stats"
        for number = 1, 3000 do
          tally.request("www.site-" .. number .. ".example", "HIT", 200, 0.001, 10)
        end
        stats.add(tally.drain(), ngx.time() - 660)
        stats.store(true)
        return #ngx.shared.cirrus_traffic:get_keys(0)
        """
    )
    assert 0 < stored < 3000
    [dropped] = server.run(DROPPED)
    assert dropped == 3000 - (stored - 2)  # two keys are not entries
    assert server.run(SEND) == [""]
