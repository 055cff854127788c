"""The first start of an edge, by hand and by the fork server that the other tests start theirs with."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from tests.servers import EdgeServer, eventually, manage

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]

#: The lines of /proc/PID/status that say which signals a process blocks, ignores and handles.
MASK = re.compile(r"Sig(Blk|Ign|Cgt):")


def written(edge):
    """The files that its start has written."""
    return [(edge.folder / name).read_text() for name in ("nginx.conf", "settings.json")]


def seen(edge):
    """The process as the system sees it: its words, its environment, its outputs, the signals it takes."""
    process = Path(f"/proc/{edge.process.pid}")
    return {
        "words": (process / "cmdline").read_bytes(),
        "environment": sorted((process / "environ").read_bytes().split(b"\0")),
        "outputs": [os.readlink(process / "fd" / str(number)) for number in (1, 2)],
        "signals": [line for line in (process / "status").read_text().splitlines() if MASK.match(line)],
    }


@pytest.mark.usefixtures("one_node")
def test_an_edge_started_by_hand_is_what_the_fork_server_starts(start_edge):
    more = {"CIRRUS_EDGE_MIN_FREE": "3m", "CIRRUS_EDGE_CACHE_SIZE": "77m"}
    edge = start_edge("edge-1", **more)
    files, process = written(edge), seen(edge)
    assert json.loads(files[1])["cache"]["min_free"] == 3 * 1024**2
    edge.stop()
    shutil.rmtree(edge.folder)
    edge.manage = manage
    edge.start()
    assert written(edge) == files
    assert seen(edge) == process


def test_an_edge_forked_later_has_none_of_the_settings_of_one_before(one_node, start_edge):
    start_edge("edge-1", CIRRUS_EDGE_MIN_FREE="3m").stop()
    edge = start_edge("edge-1")
    assert edge.health()["cache"]["min_free_bytes"] != 3 * 1024**2


@pytest.mark.parametrize("by", ["hand", "fork"])
def test_a_busy_port_and_a_bad_setting_stop_the_start_with_a_sentence(edge_settings, fork_server, edge, by):
    start = manage if by == "hand" else fork_server.manage
    for changed, sentence in [
        ({}, f"port {edge.http_port} (Address already in use)"),
        ({"CIRRUS_EDGE_WORKER": "3"}, "cirrus: CIRRUS_EDGE_WORKER is not a setting of Cirrus"),
    ]:
        other = EdgeServer("edge-2", settings={**edge_settings, **changed}, manage=start)
        other.http_port = edge.http_port
        other.folder.mkdir(parents=True, exist_ok=True)
        with (other.folder / "error.log").open("ab") as log:
            other.manage(other.command, other.settings, log).wait(timeout=60)
        eventually(lambda other=other, sentence=sentence: sentence in other.errors())
