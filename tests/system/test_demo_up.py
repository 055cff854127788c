"""`just up`, whole: everything starts, an edge serves on without Redis, Ctrl-C leaves nothing behind."""

import contextlib
import http.client
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cirrus_site.config import BASE_DIR
from cirrus_site.demo.steered import resolve
from tests.servers import eventually, free_port

pytestmark = pytest.mark.system

HOST = "www.demo.test"
SHOP = "shop.demo.test"
STATIC = "static.demo.test"
PROCESSES = {
    *("redis", "web", "worker", "beat", "origin", "edge-1", "edge-2", "ca"),
    *("dns-primary", "nsd", "nsd-sync"),
}
#: Settings that take one port.
PORTS = (
    *("CIRRUS_WEB_PORT", "CIRRUS_DEMO_REDIS_PORT", "CIRRUS_DEMO_ORIGIN_PORT", "CIRRUS_DEMO_HTTP_PORT"),
    *("CIRRUS_DEMO_DNS_PORT", "CIRRUS_DEMO_VERIFY_PORT", "CIRRUS_DNS_METRICS_PORT"),
    *("CIRRUS_DEMO_HTTPS_PORT", "CIRRUS_DEMO_CA_PORT", "CIRRUS_DEMO_CA_ROOTS_PORT"),
)


class Demo:
    """A `manage.py demo_up` in a folder of its own, and what can be asked of it."""

    def __init__(self, folder: Path) -> None:
        self.var = folder / "var with spaces" / ("deep" * 25)
        self.edges = [free_port(), free_port()]
        self.environment = {
            **{name: text for name, text in os.environ.items() if not name.startswith("CIRRUS_")},
            "CIRRUS_ENV_FILE": os.devnull,
            "CIRRUS_VAR_DIR": str(self.var),
            **{name: str(free_port()) for name in PORTS},
            "CIRRUS_DNS_BIND": f"127.0.0.1:{free_port()}",
            "CIRRUS_HEALTH_INTERVAL": "1",
            "CIRRUS_HEALTH_TIMEOUT": "0.5",
            "CIRRUS_DEMO_EDGE_PORTS": " ".join(map(str, self.edges)),
            "CIRRUS_DEMO_STATUS_PORTS": f"{free_port()} {free_port()}",
        }
        for name in ("DJANGO_SETTINGS_MODULE", "DATABASE_URL", "REDIS_URL"):
            self.environment.pop(name, None)
        self.output = folder / "output"
        self.sessions: set[int] = set()
        self.process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        with open(self.output, "wb") as output:
            return subprocess.Popen(
                [sys.executable, str(BASE_DIR / "manage.py"), "demo_up"],
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def start_again(self) -> None:
        self.process = self._start()

    def says(self, text: str, *, within: float = 90) -> str:
        """Wait until it has printed `text`; everything it has printed so far."""

        def printed() -> bool:
            assert self.process.poll() is None or text in self.output.read_text(), self.output.read_text()
            return text in self.output.read_text()

        eventually(printed, within=within, every=0.1)
        return self.output.read_text()

    def manage(self, *arguments: str) -> str:
        """Run another command beside it; what it prints."""
        done = subprocess.run(
            [sys.executable, str(BASE_DIR / "manage.py"), *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout + done.stderr

    def states(self) -> dict[str, dict]:
        """What the keepers say; remembers their sessions, in which all their descendants are."""
        found = [json.loads(path.read_text()) for path in (self.var / "demo" / "run").glob("*.json")]
        self.sessions |= {kept["keeper"] for kept in found}
        return {kept["name"]: kept for kept in found}

    def end(self, number: signal.Signals) -> None:
        """Signal it as a terminal does: the whole foreground group."""
        os.killpg(self.process.pid, number)
        self.process.wait(timeout=15)

    def left(self) -> list[str]:
        """What still runs of it."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                name, _, rest = stat.read_text().rpartition(")")
            except OSError:
                continue
            state, _parent, _group, session = rest.split()[:4]
            if state != "Z" and int(session) in {*self.sessions, self.process.pid}:
                found.append(name)
        return found

    def addresses(self, name: str) -> list[str]:
        """Where a client that asks the name server is sent for a name, aliases followed."""
        port = int(self.environment["CIRRUS_DEMO_DNS_PORT"])
        return sorted(resolve(name, "127.0.0.1", port)[1])

    def by_dns(self, name: str, path: str) -> str:
        """As a client does it: ask the name server, then the edge that it names; the X-Cache."""
        address = self.addresses(name)[0]
        return self._ask(address, int(self.environment["CIRRUS_DEMO_HTTP_PORT"]), path, name)

    def x_cache(self, edge: int, path: str, host: str = HOST) -> str:
        """Ask an edge; the X-Cache of its answer."""
        return self._ask("127.0.0.1", self.edges[edge], path, host)

    def _ask(self, address: str, port: int, path: str, host: str) -> str:
        connection = http.client.HTTPConnection(address, port, timeout=5)
        try:
            connection.request("GET", path, headers={"Host": host})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
            return answer.headers["X-Cache"]
        finally:
            connection.close()


def open_files(pid: int) -> list[str]:
    """What a process has open."""
    found = []
    for number in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found.append(os.readlink(number))
    return found


def secured_by_the_line(text: str) -> str:
    """What the line of curl says that the demo has printed."""
    (line,) = re.findall(r"^Try it:  (curl .* --cacert .*)$", text, re.MULTILINE)
    done = subprocess.run(shlex.split(line), capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    running = Demo(tmp_path)
    yield running
    if running.process.poll() is None:
        running.process.terminate()
        running.process.wait(timeout=15)


@pytest.mark.timeout(240)
def test_clients_are_sent_to_edges_that_are_up_and_somewhere_in_any_case(demo):
    demo.says("stops everything")
    both = ["127.0.1.1", "127.0.1.2"]
    eventually(lambda: demo.addresses(SHOP) == demo.addresses(HOST) == both, within=30)
    assert demo.by_dns(SHOP, "/news") in {"MISS", "HIT"}

    demo.manage("demo", "stop", "edge-1")
    eventually(lambda: demo.addresses(SHOP) == both[1:], within=30)
    assert demo.by_dns(SHOP, "/") in {"MISS", "HIT"}
    assert "down" in demo.manage("check_nodes")

    # None is up: the answers are not empty, and the alarm is on.
    demo.manage("demo", "stop", "edge-2")
    eventually(lambda: demo.addresses(SHOP) == both, within=30)
    shown = demo.manage(
        "shell",
        "-c",
        "from alarms.models import Alarm; print([a.kind for a in Alarm.objects.filter(cleared_at=None)])",
    )
    assert "region_share" in shown

    # Both are started again, and the name servers go on without the primary.
    for name in ("edge-1", "edge-2"):
        demo.manage("demo", "start", name)
    eventually(lambda: demo.manage("check_nodes").count(" up ") >= 2, within=30, every=1)
    demo.manage("demo", "stop", "dns-primary")
    demo.manage("demo", "restart", "nsd")
    eventually(lambda: demo.addresses(SHOP) == both, within=30)

    demo.end(signal.SIGINT)
    assert demo.left() == []


@pytest.mark.timeout(240)
def test_everything_starts_serves_without_redis_and_stops_without_a_trace(demo):
    text = demo.says("stops everything")
    assert set(demo.states()) == PROCESSES
    for name, kept in demo.states().items():
        assert kept["state"] == "running", name
        assert str(kept["pid"]) in text
    assert "First admin: user admin, password " in text
    assert "on 2 of 2 edges" in text
    for port in demo.edges:
        assert f"curl -sD- -o /dev/null -H 'Host: {HOST}' http://127.0.0.1:{port}/" in text

    # Once the processes that use SQLite are stopped, nobody holds it open: a backup can be put in its place.
    for pid in {demo.process.pid, *(kept["keeper"] for kept in demo.states().values())}:
        assert not [path for path in open_files(pid) if "sqlite3" in path]

    # A purge has been shown: cached on both edges, then on none.
    shown = text[text.index("A purge, as just seen") : text.index("Try it by tag")].splitlines()[1:]
    assert re.fullmatch(
        rf"  purged http://{HOST}/news: on 2 of 2 edges, \d\.\d+ s after the request", shown[2]
    )
    for edge, port in enumerate(demo.edges):
        where = f"  edge-{edge + 1}  http://127.0.0.1:{port}/news  "
        assert (shown[edge], shown[3 + edge]) == (where + "HIT", where + "MISS")
    assert demo.x_cache(0, "/news") == "HIT"
    assert "done: on 2 of 2 edges" in demo.manage("purge", HOST, "--tag", "news", "--wait", "10")
    assert demo.x_cache(0, "/news") == "MISS"

    # A client was seen to follow an alias to an edge.
    followed = text[text.index("A client that follows the DNS") : text.index("Try it:  `just stop")]
    assert re.search(rf"  {SHOP}\. 10 IN CNAME \w+\.cdn\.test\.\n", followed)
    http_port = demo.environment["CIRRUS_DEMO_HTTP_PORT"]
    assert re.search(rf"  http://127\.0\.1\.[12]:{http_port}/news  (MISS|HIT)\n", followed)
    assert f"dig @127.0.0.1 -p {demo.environment['CIRRUS_DEMO_DNS_PORT']} {SHOP}" in text

    # Both sites have certificates, proven by DNS and over HTTP, and the line that is shown trusts them.
    secured = text[text.index("HTTPS with certificates") :]
    https_port = demo.environment["CIRRUS_DEMO_HTTPS_PORT"]
    for edge in ("edge-1", "edge-2"):
        for host in (HOST, STATIC):
            line = rf"  {edge}  https://{host}:{https_port}/news  (MISS|HIT)  TLSv1\.3, valid until .+ GMT\n"
            assert re.search(line, secured)
    assert secured_by_the_line(text).startswith("HTTP/2 200")

    # The example rule: a campaign's argument makes no other object.
    assert demo.x_cache(0, "/django/admin/css/base.css") == "MISS"
    assert demo.x_cache(0, "/django/admin/css/base.css?utm_source=letter") == "HIT"
    assert demo.x_cache(0, "/django/admin/css/base.css?v=2") == "MISS"

    # The cache at work, on both edges, also by the alias.
    for edge in (0, 1):
        assert demo.x_cache(edge, "/") == "MISS"
        assert demo.x_cache(edge, "/") == "HIT"
        assert demo.x_cache(edge, "/", host="demo.test") == "MISS"  # an alias is served, by its own name

    # A second one is refused with a sentence; the first does not notice.
    assert "Cirrus is running already (pid " in demo.manage("demo_up")

    # Redis stopped as an operator stops it stays stopped; the edges serve, old files and new ones.
    os.kill(demo.states()["redis"]["pid"], signal.SIGTERM)
    demo.says("redis was stopped; `just start redis` starts it again")
    for edge in (0, 1):
        assert demo.x_cache(edge, "/") == "HIT"
        assert demo.x_cache(edge, "/unfold/unfold/css/styles.css") == "MISS"
    # An edge started without it serves at once, and from its cache when it has given up asking for purges.
    assert demo.manage("demo", "restart", "edge-1").startswith("edge-1 runs (pid ")
    assert demo.x_cache(0, "/") in {"BYPASS", "HIT"}
    eventually(lambda: demo.x_cache(0, "/") == "HIT")
    assert demo.manage("demo", "start", "redis").startswith("redis runs (pid ")
    assert demo.manage("demo", "stop", "redis").startswith("redis is stopped; ")
    assert demo.manage("demo", "start", "redis").startswith("redis runs (pid ")

    # The authority has another root now, which the line trusts beside that of before.
    assert demo.manage("demo", "restart", "ca").startswith("ca runs (pid ")
    assert "Issued by" in demo.manage("issue_certificate", HOST)
    assert secured_by_the_line(text).startswith("HTTP/2 200")
    assert (demo.var / "demo" / "roots.pem").read_text().count("BEGIN CERTIFICATE") == 2

    # A killed process comes back.
    edge_pid = demo.states()["edge-1"]["pid"]
    os.kill(edge_pid, signal.SIGKILL)
    demo.says("edge-1 was killed by SIGKILL; it is started again in 0.5 s")
    eventually(lambda: demo.states()["edge-1"]["pid"] not in (0, edge_pid))
    eventually(lambda: demo.x_cache(0, "/") in {"HIT", "MISS"})

    demo.end(signal.SIGINT)
    assert demo.left() == []
    assert "Traceback" not in demo.output.read_text()

    # The data is still there, and nobody gets a second admin.
    demo.start_again()
    text = demo.says("stops everything")
    assert "There is a superuser already; none was made." in text
    assert secured_by_the_line(text).startswith("HTTP/2 200")  # the authority has another root by now
    assert demo.x_cache(0, "/") in {"HIT", "MISS", "STALE", "EXPIRED"}  # fresh for a minute
    demo.states()
    assert demo.manage("demo", "down") == "Cirrus is stopped.\n"
    demo.process.wait(timeout=15)
    assert demo.left() == []


def test_a_closed_terminal_in_the_middle_of_the_start_leaves_nothing(demo):
    demo.says("Starting …")
    eventually(lambda: len(demo.states()) >= 1)
    demo.end(signal.SIGHUP)
    demo.states()
    assert demo.left() == []
    assert "Traceback" not in demo.output.read_text()


def test_a_killed_manager_leaves_nothing(demo):
    demo.says("Starting …")
    eventually(lambda: set(demo.states()) == PROCESSES)
    demo.process.kill()
    demo.process.wait(timeout=5)
    eventually(lambda: demo.left() == [], within=15)
