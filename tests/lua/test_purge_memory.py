"""Purges, tags and remembered URLs in the shared memory of a real nginx: bounded, and never too little."""

import json

import pytest

from tests.lua.lua_server import LuaServer

SITE = "www.a.example"
DOCUMENT = {"schema": 1, "epoch": 1, "host": SITE, "all": [0, 0], "urls": [], "prefixes": [], "tags": []}


@pytest.fixture
def start(tmp_path):
    running = []

    def start(**sizes):
        files = {name: str(tmp_path / name) for name in ("generation", "tagged", "contact", "invalidations")}
        settings = {"node": "edge-1", "hot_memory": 1_000_000, "cache": {"folder": str(tmp_path)}, **files}
        sizes = {"cirrus_purges": "1m", "cirrus_tags": "1m", **sizes}
        server = LuaServer(tmp_path, settings=settings, **sizes)
        running.append(server)
        server.run("ngx.shared.cirrus_state:set('boot', 'b')")
        return server

    yield start
    for server in running:
        server.stop()


def document(rev, **lists):
    return {**DOCUMENT, "rev": rev, **lists}


def put(server, new, before=None):
    """Take a document in the place of another one."""
    decode = "require('cjson').decode([==[{}]==])"
    old = decode.format(json.dumps(before)) if before else "nil"
    return server.run(
        f"return require('cirrus.purges').put('{SITE}', {decode.format(json.dumps(new))}, {old})"
    )


STAMPS = """
local purges = require "cirrus.purges"
return purges.stamps({summary} or purges.summary("{site}"), "{site}", "{path}", {query})
"""


def stamps(server, path, query=None, summary="nil"):
    code = STAMPS.format(site=SITE, path=path, query=f'"{query}"' if query else "nil", summary=summary)
    return server.run(code)


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("/", None, [3, 2]),
        ("/a", None, [11, 2]),
        ("/a", "x=1", [12, 2]),
        ("/a", "x=2", [11, 2]),
        ("/b", None, [3, 2]),
        ("/b", "x=1", [3, 13]),
        ("/img/", None, [14, 2]),
        ("/img/x/y", None, [14, 16]),
        ("/img", None, [3, 2]),
        ("/img/x", "q", [14, 16]),
    ],
)
def test_the_newest_of_all_stamps_that_match_counts(start, path, query, expected):
    server = start()
    whole = document(
        20,
        all=[3, 2],
        urls=[["/a", 11, 0], ["/a?x=1", 12, 0], ["/b?x=1", 0, 13]],
        prefixes=[["/img/", 14, 0], ["/img/x", 0, 16]],
        tags=[["t", 19, 18]],
    )
    put(server, whole)
    assert stamps(server, path, query) == expected


def test_a_name_that_is_widened_is_purged_at_every_moment(start):
    """Workers that have not looked again know the old summary, and so neither prefixes nor their lengths."""
    server = start()
    narrow = document(17, urls=[["/d/a", 17, 0]])
    put(server, narrow)
    server.run(f"summary_before = require('cirrus.purges').summary('{SITE}')")
    put(server, document(18, prefixes=[["/d/", 17, 0], ["/e/", 18, 0]]), narrow)
    assert stamps(server, "/d/a", summary="summary_before") == [17, 0]
    assert stamps(server, "/d/a") == [17, 0]
    assert stamps(server, "/d/b") == [17, 0]


def test_what_is_no_longer_listed_is_forgotten_after_a_while(start):
    server = start()
    first = document(17, urls=[["/a", 17, 0], ["/b", 16, 0]])
    put(server, first)
    second = document(18, urls=[["/b", 18, 0]])
    put(server, second, first)
    [left] = server.run(f"return ngx.shared.cirrus_purges:ttl('u:{SITE} /a') or 0")
    assert left <= 60
    assert server.run(f"return ngx.shared.cirrus_purges:ttl('u:{SITE} /b')") == [0]  # for ever
    put(server, document(19, urls=[["/a", 19, 0], ["/b", 18, 0]]), second)
    assert server.run(f"return ngx.shared.cirrus_purges:ttl('u:{SITE} /a')") == [0]
    assert stamps(server, "/a") == [19, 0]


def test_a_site_that_is_gone_leaves_nothing_for_long(start):
    server = start()
    whole = document(17, all=[1, 0], urls=[["/a", 17, 5]], tags=[["t", 3, 4]])
    put(server, whole)
    server.run(
        f"require('cirrus.purges').forget('{SITE}', require('cjson').decode([==[{json.dumps(whole)}]==]))"
    )
    lives = server.run(
        """
        local lives = {}
        for _, key in ipairs(ngx.shared.cirrus_purges:get_keys(0)) do
          lives[#lives + 1] = ngx.shared.cirrus_purges:ttl(key)
        end
        return lives, #lives
        """
    )
    assert all(0 < left <= 60 for left in lives[0] or [])


def test_two_tags_with_one_checksum_are_purged_together(start):
    server = start()
    put(server, document(20, tags=[["plumless", 5, 20], ["buckeroo", 17, 6]]))  # CRC-32 of both: 1306201125
    for tag in ("plumless", "buckeroo"):
        code = "local p = require 'cirrus.purges' local sums = p.checksums({ '%s' })"
        code += f" return p.tag_stamp('{SITE}', sums), p.tag_stamp('{SITE}', sums, true)"
        assert server.run(code % tag) == [17, 20]


def test_records_without_room_purge_the_whole_site_and_leave_the_room_to_others(start):
    server = start(cirrus_purges="64k")
    old = document(5, urls=[["/kept", 5, 0]])
    put(server, old)
    many = document(9, urls=[["/kept", 5, 0], *([f"/{'x' * 100}/{n}", 9, 0] for n in range(2000))])
    assert put(server, many, old) == [True]
    assert stamps(server, "/any") == [9, 0]
    code = "return #ngx.shared.cirrus_purges:get_keys(0)"
    assert server.run(code)[0] <= 2
    other = {**document(10, urls=[["/a", 10, 0]]), "host": "www.b.example"}
    text = json.dumps(other)
    server.run(f"require('cirrus.purges').put('www.b.example', require('cjson').decode([==[{text}]==]))")
    ask = "local p, s = require 'cirrus.purges', 'www.b.example' return p.stamps(p.summary(s), s, '/b')"
    [hard, _] = server.run(ask)
    assert hard == 0


# -- tags ------------------------------------------------------------------------------------------

TAGS = f"""
local tags, purges = require "cirrus.tags", require "cirrus.purges"
local site, key = "{SITE}", "0~0.0|1|/a"
local dict, name = ngx.shared.cirrus_tags, ngx.md5_bin(key)
ngx.shared.cirrus_tags:flush_all()
ngx.shared.cirrus_purges:flush_all()
local function summary() return purges.summary(site) end
local function sums(name) return purges.checksums({{ name }}) end
local function stamp()
  dict:add(name, "b.0 0 ") -- there is no file to look into here
  return tags.stamp(summary(), site, key)
end
local function purge(rev, name)
  local tags = {{ {{ name, rev, 0 }} }}
  return purges.put(site, {{ rev = rev, all = {{ 0, 0 }}, urls = {{}}, prefixes = {{}}, tags = tags }})
end
purge(1, "none")
"""


def test_a_purge_between_the_fetch_and_the_store_keeps_the_answer_out(start):
    server = start()
    code = TAGS + "local s = stamp() purge(7, 't') return tags.store(site, key, s, 6, sums('t'))"
    assert server.run(code) == [False]
    code = TAGS + "local s = stamp() purge(7, 't') return tags.store(site, key, s, 7, sums('t'))"
    assert server.run(code) == [True]


def test_a_purge_of_a_tag_that_any_variant_has_gives_a_new_stamp(start):
    server = start()
    code = TAGS + (
        "local s = stamp() tags.store(site, key, s, 6, sums('t')) tags.store(site, key, s, 6, sums('u')) "
        "purge(7, 'other') local same = stamp() purge(8, '%s') return s == same, stamp() == s"
    )
    assert server.run(code % "t") == [True, False]
    assert server.run(code % "u") == [True, False]


def test_an_answer_under_an_older_stamp_says_nothing_of_the_newer(start):
    server = start()
    code = TAGS + (
        "local s = stamp() tags.store(site, key, s, 6, sums('t')) purge(7, 't') local fresh = stamp() "
        "local stored = tags.store(site, key, s, 6, sums('t')) return fresh ~= s, stored, stamp() == fresh"
    )
    assert server.run(code) == [True, False, True]


def test_what_comes_while_another_worker_writes_the_record_is_not_stored(start):
    """Both would read the record and write it back, and the tags of one of them would be lost."""
    server = start()
    code = TAGS + (
        "local s = stamp() dict:add('lock ' .. name, 1, 1) "
        "local refused = tags.store(site, key, s, 6, sums('t')) dict:delete('lock ' .. name) "
        "return refused, tags.store(site, key, s, 6, sums('t')), tags.store(site, key, s, 6, sums('t'))"
    )
    assert server.run(code) == [False, True, True]


def test_too_many_tags_together_are_every_tag(start):
    server = start()
    code = TAGS + (
        "local s = stamp() for n = 1, 300 do tags.store(site, key, s, 6, sums('t' .. n)) end "
        "local record = dict:get(name) purge(7, 'none of them') return record, stamp() == s"
    )
    [record, same] = server.run(code)
    assert record.endswith(" every")
    assert not same


# -- what a worker remembers -----------------------------------------------------------------------

HELD = """
local held, bodies = 0, 0
for _, site in ipairs(sites) do
  for _, half in pairs({ site.entries.young, site.entries.old }) do
    for _, entry in pairs(half) do
      held = held + 1
      bodies = bodies + (entry.object and #entry.object.body or 0)
    end
  end
end
return held, bodies
"""


def test_all_sites_together_remember_at_most_twice_the_limit(start):
    """Also where a site is asked for many URLs once, and then never again."""
    code = """
    local entries = require "cirrus.entries"
    local sites = {}
    for s = 1, 10 do
      sites[s] = {}
      for n = 1, 15000 do entries.put(sites[s], "/" .. n, {}) end
    end
    """
    [held, _] = start().run(code + HELD)
    assert 8_000 <= held <= 16_000


def test_what_is_asked_for_again_and_again_is_never_forgotten(start):
    code = """
    local entries = require "cirrus.entries"
    local site, others = {}, {}
    entries.put(site, "/busy", { is = "busy" })
    for n = 1, 100000 do
      entries.put(others, "/" .. n, {})
      if n % 5000 == 0 and not entries.get(site, "/busy") then return n end
    end
    return entries.get(site, "/busy").is, entries.get(others, "/1") == nil
    """
    assert start().run(code) == ["busy", True]


def test_objects_in_memory_take_at_most_twice_their_room(start):
    code = """
    local entries, hot = require "cirrus.entries", require "cirrus.hot"
    local sites = {}
    for s = 1, 10 do
      sites[s] = {}
      for n = 1, 40 do
        local entry = { key = "k" }
        entries.put(sites[s], "/" .. n, entry)
        hot.hold(entry, { key = "k", stamp = "", body = ("x"):rep(50000), length = 50000 })
      end
    end
    """
    [_, bodies] = start().run(code + HELD)
    assert 500_000 <= bodies <= 2_100_000
