"""Which names a certificate is for, as an edge that has it sees it."""

import json

import pytest

from tests.lua.lua_server import LuaServer
from tests.lua.test_documents import golden

HOST = "www.example.com"


@pytest.fixture
def server(tmp_path):
    memory = {"cirrus_purges": "1m", "cirrus_tags": "1m", "cirrus_invalidations": "1m"}
    server = LuaServer(tmp_path, settings={"node": "edge-2"}, **memory)
    yield server
    server.stop()


def covers(server, *names, rev=1, **current):
    """Which of the names a document with this certificate covers, once it has been stored."""
    certificate = {**golden("certificate")["current"], "placeholder": False, **current}
    document = {**golden("certificate"), "rev": rev, "current": certificate}
    asked = ", ".join(f'coverage.covers("{HOST}", "{name}")' for name in names)
    return server.run(f"""
      local text = [==[{json.dumps(document)}]==]
      local store, coverage = require "cirrus.store", require "cirrus.coverage"
      assert(store.put("certificate", "{HOST}", text, require("cjson").decode(text)))
      return {asked}
    """)


def test_a_wildcard_stands_for_exactly_one_label(server):
    names = ["www.example.com", "*.example.net"]
    asked = ["www.example.com", "example.com", "a.example.net", "a.b.example.net", "example.net", "net"]
    assert covers(server, *asked, names=names) == [True, False, True, False, False, False]


def test_a_placeholder_covers_nothing_and_an_expired_certificate_what_it_has_covered(server):
    assert covers(server, HOST, placeholder=True) == [False]
    assert covers(server, HOST, rev=2, not_before=1, not_after=2) == [True]


def test_a_new_revision_is_seen_at_once_and_without_a_document_nothing_is_covered(server):
    assert server.run(f'return require("cirrus.coverage").covers("{HOST}", "{HOST}")') == [False]
    assert covers(server, HOST, names=["other.example.com"]) == [False]
    assert covers(server, HOST, names=[HOST], rev=2) == [True]
