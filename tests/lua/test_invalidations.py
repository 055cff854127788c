"""What unsafe requests have changed, in the memory and the files of a real nginx: bounded for each site."""

import time

import pytest

from tests.lua.lua_server import LuaServer

MONTH = 31 * 86400
A, B = "{ id = 12, slot = 8 }", "{ id = 13, slot = 9 }"


@pytest.fixture
def start(tmp_path):
    running = []

    def start(memory="1m"):
        files = {name: str(tmp_path / name) for name in ("generation", "contact", "invalidations")}
        running.append(LuaServer(tmp_path, settings={"node": "edge-1", **files}, cirrus_invalidations=memory))
        running[-1].run("require('cirrus.generation').load() require('cirrus.invalidations').load()")
        return running[-1]

    yield start
    for server in running:
        server.stop()


def note(server, site, *paths):
    for path in paths:
        server.run(f"require('cirrus.invalidations').note({site}, '{path}')")


def note_many(server, site, number, of="/"):
    code = "local i = require 'cirrus.invalidations' for n = 1, {} do i.note({}, '{}' .. n) end"
    server.run(code.format(number, site, of))


def stamps(server, site, *paths):
    ask = "string.format('%.0f', require('cirrus.invalidations').stamp({}, '{}'))"  # JSON has fewer digits
    return [int(text) for text in server.run("return " + ", ".join(ask.format(site, path) for path in paths))]


def lines(tmp_path):
    return (tmp_path / "invalidations").read_text().splitlines()


def test_a_path_gets_a_new_stamp_each_time_and_no_other_path_or_site_with_it(start):
    server = start()
    note(server, A, "/cart")
    [first, other] = stamps(server, A, "/cart", "/other")
    assert first > time.time() * 1e6 - 60e6
    assert other == 0
    assert stamps(server, B, "/cart") == [0]
    at_once = (
        "local i = require 'cirrus.invalidations' i.note({0}, '/cart') local one = i.stamp({0}, '/cart') "
    )
    at_once += "i.note({0}, '/cart') return one > tonumber('{1}'), i.stamp({0}, '/cart') > one"
    assert server.run(at_once.format(A, first)) == [True, True]


def test_what_one_site_leaves_behind_is_bounded_in_memory_and_on_disk(start, tmp_path):
    server = start()
    for portion in range(3):
        note_many(server, A, 2000, of=f"/{portion}/")
    assert len(lines(tmp_path)) == 1024
    assert server.run("return #ngx.shared.cirrus_invalidations:get_keys(0)") == [1026]


def test_where_there_is_no_room_the_site_is_taken_and_no_other_site_and_not_the_cache(start, tmp_path):
    server = start("80k")
    note(server, B, "/kept")
    before = stamps(server, B, "/kept", "/never")
    note_many(server, A, 2000)
    [taken] = stamps(server, A, "/never-asked-for")
    assert taken > 0
    note(server, A, "/one-more")
    assert stamps(server, A, "/never-asked-for")[0] > taken
    for number in range(14, 30):  # there is room for what other sites are taken by
        note(server, f"{{ id = {number}, slot = 9 }}", "/a")
        assert stamps(server, f"{{ id = {number}, slot = 9 }}", "/a") != [0]
    assert stamps(server, B, "/kept", "/never") == before
    assert server.run("return require('cirrus.generation').current()") == ["0"]
    assert sum(line.endswith(" 12 *") for line in lines(tmp_path)) == 1


def test_even_where_no_site_has_room_what_has_changed_is_not_used_again(start):
    server = start("80k")
    server.run("for n = 1, 5000 do ngx.shared.cirrus_invalidations:safe_set('filled ' .. n, 1) end")
    note(server, A, "/cart")
    [generation] = server.run("return require('cirrus.generation').current()")
    assert generation.startswith("g")
    note(server, B, "/cart")  # and then there is room again
    assert stamps(server, B, "/cart") != [0]
    assert server.run("return require('cirrus.generation').current()") == [generation]


def test_what_says_that_there_is_something_lives_as_long_as_what_it_speaks_of(start):
    server = start()
    note(server, A, "/first")
    server.run("ngx.shared.cirrus_invalidations:expire('12', 5)")
    note(server, A, "/second")
    [left] = server.run("return ngx.shared.cirrus_invalidations:ttl('12')")
    assert left > MONTH - 60


def test_a_start_reads_the_file_and_leaves_out_what_is_old_or_stands_there_twice(start, tmp_path):
    now = int(time.time())
    file = tmp_path / "invalidations"
    file.write_text(
        f"{now - MONTH - 60} 12 1\n{now - MONTH - 60} 12 99\n{now - 60} 12 99\n{now - 90} 12 99\n"
        f"{now - 60} 13 *\n1700000000000 www.example.com /written-before\n{now} 12 4"
    )
    server = start()
    [cart, other] = stamps(server, A, "/cart", "/other")  # /cart has the place 99
    assert cart > 0
    assert other == 0
    assert stamps(server, B, "/any") != [0]
    assert sorted(lines(tmp_path)) == sorted([f"{now - 60} 12 99", f"{now - 60} 13 *"])
    tidy = file.stat().st_ino
    server.run("require('cirrus.invalidations').load()")
    assert file.stat().st_ino == tidy


def test_what_must_outlive_a_power_failure_is_on_the_disk_before_it_counts(start, tmp_path):
    """Each file is synchronized whole, and the folder that names it after it has its new name."""
    server = start()
    synchronized = server.run(
        f"""
        local ffi, platform, seen, sync = require "ffi", require "cirrus.platform", {{}}, nil
        ffi.cdef "long readlink(const char *path, char *text, size_t size);"
        sync = platform.sync
        platform.sync = function(file)
          local text = ffi.new("char[4096]")
          local path = "/proc/self/fd/" .. ffi.C.fileno(file)
          local name = ffi.string(text, ffi.C.readlink(path, text, 4096))
          local now = io.open(name):read("*a")
          seen[#seen + 1] = {{ name, now or "", require("cirrus.files").read("{tmp_path}/generation") }}
          return sync(file)
        end
        require("cirrus.generation").renew("a test")
        require("cirrus.invalidations").note({A}, "/cart")
        platform.sync = sync
        return seen
        """
    )[0]
    [(draft, text, before), (folder, _, after), (noted, line, _)] = synchronized
    assert (draft, before) == (str(tmp_path / "generation.new"), "")
    assert (folder, after) == (str(tmp_path), text)
    assert noted == str(tmp_path / "invalidations")
    assert line.endswith(" 12 99\n")
