"""What /healthz makes of the state that other modules note."""

import json
import os

import pytest

from tests.lua.lua_server import LuaServer

SETTINGS = {
    "node": "edge-1",
    "version": "1",
    "stale_after": 60,
    "cache": {"folder": "/", "size": "1g", "keys": "8m", "min_free": 1000},
}


@pytest.fixture
def server(tmp_path):
    server = LuaServer(tmp_path, settings=SETTINGS)
    server.run("local s = ngx.shared.cirrus_state s:set('version', 1) s:set('contact', ngx.now())")
    server.run("require('cirrus.disk').look() ngx.shared.cirrus_state:set('redis_error', '')")
    yield server
    server.stop()


def report(server, change=""):
    server.run(f"local s = ngx.shared.cirrus_state {change}")
    [text] = server.run("local h = require 'cirrus.health' return h.json(h.report())")
    return json.loads(text)


def test_an_edge_with_everything_is_well(server):
    said = report(server, "s:set('generation', 7)")
    assert said["status"] == "ok"
    assert "problems" not in said
    assert (said["generation"], said["catching_up"], said["redis"]) == (7, False, "connected")


def test_missing_purges_forbid_traffic_until_they_are_there(server):
    said = report(server, "s:set('catching_up', true)")
    assert (said["status"], said["problems"]) == ("failing", ["catching up with purges"])
    assert report(server, "s:delete('catching_up')")["status"] == "ok"


def test_the_gravest_comes_first_and_a_warning_does_not_make_it_less(server):
    said = report(server, "s:set('snapshot_error', 'no room') s:set('disk_free', 999)")
    assert said["status"] == "failing"
    assert "MB free" in said["problems"][0]
    assert said["problems"][1] == "no room"


def test_a_disk_that_cannot_be_looked_at_is_a_warning(server):
    said = report(server, "s:set('disk_free', -1) s:set('disk_problem', 'it cannot be looked at')")
    assert (said["status"], said["problems"]) == ("warning", ["it cannot be looked at"])
    assert "free_bytes" not in said["cache"]


def test_the_free_bytes_are_those_of_the_file_system(server):
    found = os.statvfs("/")
    free = report(server)["cache"]["free_bytes"]
    assert abs(free - found.f_bavail * found.f_frsize) < 0.01 * found.f_blocks * found.f_frsize
    [nothing, why] = server.run("return require('cirrus.platform').free_bytes('/no/such/folder')")
    assert nothing is None
    assert "/no/such/folder cannot be looked at" in why


def test_failed_attempts_at_origins_are_told(server):
    assert report(server)["origins"] == {"errors": 0, "timeouts": 0}
    server.run("require('cirrus.metrics').count('nginx_upstream_errors_total', nil, 3)")
    server.run("require('cirrus.metrics').count('nginx_upstream_timeouts_total')")
    server.run("require('cirrus.metrics').flush()")
    assert report(server)["origins"] == {"errors": 3, "timeouts": 1}
