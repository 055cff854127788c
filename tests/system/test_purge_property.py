"""No object that is older than an acknowledged purge is ever served, whatever else happens at the time.

A seed draws a script: purges of every kind, restarts, crashes and reloads of edges, Redis gone and Redis
emptied, while clients ask. What fails is made shorter before it is shown. To look for longer, and elsewhere:

    PURGE_PROPERTY_SECONDS=900 PURGE_PROPERTY_SEED=7 pytest tests/system/test_purge_property.py
"""

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from edge.errors import NotPublished
from edge.sync import keyspace_repair, outbox_drain
from tests.servers import EdgeServer, RedisServer, eventually
from tests.system.purge_world import HOST, PATHS, TARGETS, World, tags_of

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]

SECONDS = float(os.environ.get("PURGE_PROPERTY_SECONDS", "25"))
SEED = int(os.environ.get("PURGE_PROPERTY_SEED", "1"))
#: Steps of one script; after each script the world is left in peace and looked at.
STEPS = 60

Step = tuple[Any, ...]


def script(seed: int) -> list[Step]:
    """What happens, in order. Each step works wherever it stands, so that a script can be made shorter."""
    dice = random.Random(seed)
    tags = sorted({tag for path in PATHS for tag in tags_of(path)})
    steps: list[Step] = []
    for _ in range(STEPS):
        roll = dice.random()
        edge = dice.randrange(2)
        soft = dice.random() < 0.25
        if roll < 0.78:
            what = dice.choice(
                [
                    {"urls": dice.sample(TARGETS, dice.choice((1, 1, 3)))},
                    {"urls": dice.sample(TARGETS, 1)},
                    {"prefixes": [dice.choice(["/slow/", "/tag/", "/p", "/vary/1"])]},
                    {"tags": dice.sample(tags, dice.choice((1, 2)))},
                    {"tags": dice.sample(tags, 1), "urls": dice.sample(TARGETS, 1)},
                    {"everything": True},
                ]
            )
            steps.append(("purge", {**what, "soft": soft}))
        elif roll < 0.90:
            steps.append(("pause", dice.uniform(0.01, 0.3)))
        elif roll < 0.94:
            steps.append(("restart", edge, dice.choice(("SIGTERM", "SIGQUIT", "SIGKILL"))))
        elif roll < 0.955:
            steps.append(("kill a worker", edge, dice.randrange(2)))
        elif roll < 0.965:
            steps.append(("reload", edge))
        elif roll < 0.975:
            steps.append(("rename", dice.choice(["first.shop.example", "second.shop.example"])))
        elif roll < 0.99:
            steps.append(("without Redis", edge, dice.choice(TARGETS), dice.random() < 0.5))
        else:
            steps.append(("emptied Redis", dice.choice(TARGETS)))
    return steps


def serving(edge: EdgeServer) -> list[int]:
    """The processes of an edge that serve clients: not the managers of its cache."""
    lines = {pid: Path(f"/proc/{pid}/cmdline") for pid in edge.workers()}
    return [pid for pid, line in lines.items() if b"worker process" in line.read_bytes()]


class Player:
    """Carries a script out."""

    def __init__(self, world: World, keyspace: RedisServer) -> None:
        self.world, self.keyspace = world, keyspace

    def play(self, steps: list[Step], seed: int) -> list[str]:
        """What was seen that must not be."""
        self.world.problems = []

        def work() -> None:
            for step in steps:
                try:
                    getattr(self, step[0].replace(" ", "_"))(*step[1:])
                except AssertionError as error:
                    self.world.problems.append(f"{step} did not end: {error}")

        self.world.run_clients(work, seed=seed)
        self.world.soft_purges_end()
        return self.world.problems

    def purge(self, what: dict[str, Any]) -> None:
        self.world.purge(**what)

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def restart(self, edge: int, how: str) -> None:
        seen = self.world.edges[edge]
        with seen.disturbed():
            with seen.dying():
                seen.server.stop(signal.Signals[how])
            # A purge that it misses.
            asked = self.world.ask(urls=[TARGETS[edge]])
            seen.server.start()
            eventually(lambda: not seen.server.health().get("catching_up"))
        self.world.follow(*asked)

    def kill_a_worker(self, edge: int, number: int) -> None:
        seen = self.world.edges[edge]
        with seen.disturbed():
            old = serving(seen.server)
            with seen.dying():
                os.kill(old[number % len(old)], signal.SIGKILL)
                eventually(lambda: len(set(serving(seen.server)) - set(old)) == 1)

    def reload(self, edge: int) -> None:
        seen = self.world.edges[edge]
        with seen.disturbed():
            seen.server.reload()

    def rename(self, name: str) -> None:
        domain = self.world.domain
        domain.refresh_from_db()
        domain.host = name
        domain.save()

    def without_Redis(self, edge: int, target: str, restarted: bool) -> None:
        seen = self.world.edges[edge]
        self.keyspace.stop()
        asked = self.world.ask(urls=[target])
        with seen.disturbed():
            if restarted:
                with seen.dying():
                    seen.server.stop()
                seen.server.start()
        self.keyspace.start()
        outbox_drain()
        self.world.follow(*asked)

    def emptied_Redis(self, target: str) -> None:
        self.keyspace.client.flushall()
        asked = self.world.ask(urls=[target])
        with suppress(NotPublished):
            keyspace_repair(force=True)
        self.world.follow(*asked)


def shortened(player: Player, steps: list[Step], seed: int, until: float) -> list[Step]:
    """A part of the script that fails as well, as short as could be found in time."""
    size = len(steps) // 2
    while size and time.monotonic() < until:
        for start in range(0, len(steps), size):
            part = steps[:start] + steps[start + size :]
            if part and any(player.play(part, seed + again) for again in range(2)):
                steps = part
                break
        else:
            size //= 2
    return steps


@pytest.mark.timeout(SECONDS + 600)
def test_nothing_older_than_an_acknowledged_purge_is_ever_served(two_nodes, start_edge, origin, keyspace):
    edges = [start_edge(name, CIRRUS_EDGE_WORKERS="2") for name in ("edge-1", "edge-2")]
    player = Player(World(edges, origin), keyspace)
    began, seed = time.monotonic(), SEED
    while time.monotonic() - began < SECONDS:
        steps = script(seed)
        if problems := list(player.play(steps, seed)):
            print(f"seed {seed}:", *problems[:10], sep="\n")  # making it shorter takes a while
            short = shortened(player, steps, seed, time.monotonic() + min(SECONDS, 120))
            pytest.fail(
                "\n".join([f"seed {seed}:", *problems[:10], "a script that fails:", *map(str, short)])
            )
        seed += 1
    kept, lost = player.world.answers["kept"], player.world.answers["lost"]
    print(f"seeds {SEED} to {seed - 1}: {player.world.newest} fetches, kept {kept}, lost {lost}")
    assert kept > 100
    assert lost < kept / 10
    for edge in edges:
        assert edge.get(HOST, "/plain/1").ok
        assert "attempt to" not in edge.errors()
