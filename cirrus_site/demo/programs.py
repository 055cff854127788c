"""What `just up` runs: one table."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from cirrus_site.config import BASE_DIR, Config
from cirrus_site.demo import authority, health
from cirrus_site.demo.origin import origin_command
from cirrus_site.demo.paths import nsd_folder
from cirrus_site.demo.redis_server import redis_binary, redis_config

MANAGE = [sys.executable, str(BASE_DIR / "manage.py")]
LOOPBACK = "127.0.0.1"
#: A name of the demo's site that the DNS leads to by a CNAME, and the name of its secondary.
SHOP, SECONDARY = "shop.demo.test", "nsd-1"


@dataclass(frozen=True)
class Listener:
    """An address that a program will listen on, and the setting that changes its port."""

    bind: str
    port: int
    setting: str


@dataclass(frozen=True)
class Program:
    """One long-running process of the demo."""

    name: str
    what: str
    command: list[str]
    where: str = ""
    listens: list[Listener] = field(default_factory=list)
    #: What it has in its environment beside what all have.
    environment: dict[str, str] = field(default_factory=dict)
    #: Asks the server itself; raises where it does not answer. None: that it runs is all one can ask.
    check: Callable[[], None] | None = None
    #: Done once it takes connections again, after it was started by hand; raises `OSError` where that fails.
    started: Callable[[], object] | None = None


def edge_name(number: int) -> str:
    """The node name of the demo's n-th edge, from 1."""
    return f"edge-{number}"


def edge_address(number: int) -> str:
    """Where clients that follow the DNS find the demo's n-th edge: each has an address of its own."""
    return f"127.0.1.{number}"


def url(bind: str, port: int) -> str:
    """The address of a web server, for people and for curl."""
    host = health.reachable(bind)
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def programs(config: Config) -> list[Program]:
    """Every process of the demo, in the order in which they start."""
    own_redis = [] if config.redis_url else [_redis(config)]
    edges = [
        _edge(config, number, http, status)
        for number, (http, status) in enumerate(
            zip(config.demo_edge_ports, config.demo_status_ports, strict=True), start=1
        )
    ]
    servers = [*edges, *_name_servers(config), _authority(config)]
    return [*own_redis, _web(config), *_celery(), _origin(config), *servers]


def _redis(config: Config) -> Program:
    port = config.demo_redis_port
    return Program(
        name="redis",
        what="keyspace and queue",
        command=[redis_binary() or "redis-server", str(redis_config(config))],
        where=f"{LOOPBACK}:{port}",
        listens=[Listener(LOOPBACK, port, "CIRRUS_DEMO_REDIS_PORT")],
        check=health.redis_answers,
    )


def _web(config: Config) -> Program:
    return Program(
        name="web",
        what="the portal",
        command=[
            *(sys.executable, "-m", "gunicorn"),
            *("-c", "python:cirrus_site.gunicorn_conf", "cirrus_site.wsgi"),
        ],
        where=url(config.web_bind, config.web_port),
        listens=[Listener(config.web_bind, config.web_port, "CIRRUS_WEB_PORT")],
        check=partial(health.web_answers, config),
    )


def _celery() -> list[Program]:
    celery = [sys.executable, "-m", "celery", "-A", "cirrus_site"]
    return [
        Program(
            name="worker",
            what="background work",
            command=[*celery, "worker", "--loglevel=INFO", "--concurrency=2", "--without-gossip"],
            check=health.worker_answers,
        ),
        Program(
            name="beat",
            what="the schedule",
            command=[*celery, "beat", "--loglevel=INFO", "--pidfile="],
        ),
    ]


def _origin(config: Config) -> Program:
    port = config.demo_origin_port
    return Program(
        name="origin",
        what="a site to cache",
        command=origin_command(config),
        where=url(LOOPBACK, port),
        listens=[Listener(LOOPBACK, port, "CIRRUS_DEMO_ORIGIN_PORT")],
        check=partial(health.http_answers, LOOPBACK, port, "/"),
    )


def _edge(config: Config, number: int, http: int, status: int) -> Program:
    name, address, direct = edge_name(number), edge_address(number), config.edge_addresses(http)
    return Program(
        name=name,
        what=f"edge, status :{status}",
        command=[
            *(*MANAGE, "run_edge", "--node", name),
            *("--http-port", str(http), "--status-port", str(status)),
        ],
        where=url(*direct[0]),
        listens=[
            *(Listener(bind, port, "CIRRUS_DEMO_EDGE_PORTS") for bind, port in direct),
            Listener(address, config.demo_http_port, "CIRRUS_DEMO_HTTP_PORT"),
            Listener(address, config.demo_https_port, "CIRRUS_DEMO_HTTPS_PORT"),
            Listener(config.edge_status_bind[0], status, "CIRRUS_DEMO_STATUS_PORTS"),
        ],
        environment={
            "CIRRUS_EDGE_BIND": " ".join([*config.edge_bind, f"{address}:{config.demo_http_port}"]),
            "CIRRUS_EDGE_HTTPS_BIND": address,
            "CIRRUS_EDGE_HTTPS_PORT": str(config.demo_https_port),
        },
        check=partial(health.http_answers, config.edge_status_bind[0], status, "/healthz"),
    )


def _authority(config: Config) -> Program:
    return Program(
        name="ca",
        what="certificate authority",
        command=authority.authority_command(config),
        where=authority.directory_url(config).removeprefix("https://"),
        listens=[
            Listener(LOOPBACK, config.demo_ca_port, "CIRRUS_DEMO_CA_PORT"),
            Listener(LOOPBACK, config.demo_ca_roots_port, "CIRRUS_DEMO_CA_ROOTS_PORT"),
        ],
        environment=authority.ENVIRONMENT,
        check=partial(authority.authority_answers, config),
        started=partial(authority.keep_roots, config),
    )


def _name_servers(config: Config) -> list[Program]:
    bind, port = config.dns_addresses[0]
    return [
        Program(
            name="dns-primary",
            what="hidden primary of the zones",
            command=[*MANAGE, "run_hidden_primary"],
            where=f"{bind}:{port}",
            listens=[Listener(bind, port, "CIRRUS_DNS_BIND")],
            check=partial(health.http_answers, LOOPBACK, config.dns_metrics_port, "/healthz"),
        ),
        Program(
            name="nsd",
            what="name server, a secondary",
            command=[*MANAGE, "demo", "nsd"],
            where=f"dig @{LOOPBACK} -p {config.demo_dns_port} {SHOP}",
            listens=[
                Listener(LOOPBACK, config.demo_dns_port, "CIRRUS_DEMO_DNS_PORT"),
                Listener(LOOPBACK, config.demo_verify_port, "CIRRUS_DEMO_VERIFY_PORT"),
            ],
            check=partial(health.name_server_answers, LOOPBACK, config.demo_dns_port, SHOP),
        ),
        Program(
            name="nsd-sync",
            what="gives it new zones",
            command=[
                *(*MANAGE, "nsd_sync", "--secondary", SECONDARY),
                *("--folder", str(nsd_folder(config)), "--watch"),
            ],
        ),
    ]
