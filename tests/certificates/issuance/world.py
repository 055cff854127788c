"""What the tests of issuing do, and what they look at."""

import contextlib
import http.server
import json
import os
import signal
import threading
import time
import traceback
from datetime import timedelta

import redis
from cryptography import x509
from django.db import connections
from django.utils import timezone

from certificates.issuance.orders import order_advance, order_open
from certificates.issuance.outcomes import Failed, Issued, Waiting
from certificates.models import Authority, Enrollment, Order
from dnszones.models import Challenge
from dnszones.names import closest_apex, owner_in
from dnszones.store import read_zone
from dnszones.zonedata import decode_rrsets
from edge import keyspace as names
from edge.models import Kind
from tests.dnszones.factories import ZoneFactory
from tests.edge.keyspace_reader import acknowledge, meta
from tests.factories import DomainFactory, NodeFactory

EDGES = ("edge-1", "edge-2")
#: Held by the threads of `PlayedEdges` while they do something. Whoever forks takes it first: what a thread
#: has locked in a library at that moment stays locked in the child for good.
WORKING = threading.Lock()


class PlayedEdges:
    """Two edges: they answer challenges as their documents in Redis say, and acknowledge what is published.

    They take the connections that come to `listener`. `deaf`: names of those that acknowledge nothing.
    `wrong`: what is answered instead of the right thing.
    """

    def __init__(self, server, listener) -> None:
        self.redis = server
        self.deaf: set[str] = set()
        self.wrong: bytes | None = None
        self.asked: list[str] = []
        self.ended = threading.Event()
        for name in EDGES:
            NodeFactory(name=name)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(f"{self.headers['Host']}{self.path}")
                with WORKING:
                    body = outer.wrong or outer.answer(self.path.rpartition("/")[2])
                self.send_response(200 if body else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(
            listener.getsockname(), Handler, bind_and_activate=False
        )
        self.server.socket.close()
        self.server.socket = listener.dup()
        self.server.daemon_threads = True
        self.port = listener.getsockname()[1]
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        threading.Thread(target=self._acknowledge, daemon=True).start()

    def answer(self, token: str) -> bytes:
        client = self.redis.client
        for host in client.zrange(names.index_key(Kind.CHALLENGE), 0, -1):
            document = json.loads(client.get(names.document_key(Kind.CHALLENGE, host)) or "{}")
            if found := document.get("tokens", {}).get(token):
                return found.encode()
        return b""

    def documents(self) -> list[str]:
        """The hosts that there are challenges for."""
        return self.redis.client.zrange(names.index_key(Kind.CHALLENGE), 0, -1)

    def _acknowledge(self) -> None:
        last = {}
        while not self.ended.wait(0.02):
            with WORKING, contextlib.suppress(redis.RedisError, KeyError):
                known = meta(self.redis)
                for name in set(EDGES) - self.deaf:
                    said = (known.get("rev"), int(time.monotonic()))
                    if last.get(name) != said:
                        acknowledge(self.redis, name)
                        last[name] = said

    def stop(self) -> None:
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()


def authority_of(ca, name="Pebble", **fields):
    """The authority as an operator has entered it."""
    fields = {"terms_agreed": True, "contact": "ops@cdn.example", **fields}
    return Authority.objects.create(
        name=name, directory_url=ca.directory, trust=ca.trust, enabled=True, **fields
    )


def open_order(enrollment, authority, **options):
    return order_open(enrollment=enrollment, authority=authority, **options)


class World:
    """A CDN whose zone cdn.example gives the access names, with one authority."""

    def __init__(self, server, edges, resolver, ca) -> None:
        self.redis, self.edges, self.resolver, self.ca = server, edges, resolver, ca
        self.zone = ZoneFactory(apex="cdn.example", serves_sites=True)
        self.authority = self.add_authority(ca)
        resolver.lookup = self._zone_answer

    def add_authority(self, ca, name="Pebble", **fields):
        return authority_of(ca, name, **fields)

    def _zone_answer(self, name, kind):
        """What the primary would say of names in our zones."""
        if kind != "TXT":
            return None
        apexes = set(self.redis.client.hkeys(names.ZONES))
        apex = closest_apex(name, apexes)
        if apex is None:
            return None
        stored = read_zone(self.redis.client, apex)
        rrsets = decode_rrsets(stored.names.get(owner_in(name, apex), "[]"))
        return [value for rtype, _, data in rrsets if rtype == "TXT" for value in data]

    def enroll(self, host="www.shop.example", *, aliases=(), **fields):
        """A domain with these names, and its enrollment."""
        domain = DomainFactory(host=host)
        for name in aliases:
            domain.hostnames.create(name=name)
        found, _ = Enrollment.objects.update_or_create(domain=domain, defaults=fields)
        return found

    def open(self, enrollment, **options):
        return open_order(enrollment, self.authority, **options)

    def issue(self, enrollment, *, within=30.0, **options):
        """Open an order and advance it until it has ended; its outcome."""
        return self.finish(self.open(enrollment, **options), within=within)

    def finish(self, order, *, within=30.0, patience=10.0):
        deadline = time.monotonic() + within
        while True:
            outcome = order_advance(order.pk, patience=patience)
            if not isinstance(outcome, Waiting):
                return outcome
            assert time.monotonic() < deadline, outcome
            time.sleep(0.05)


def issued(outcome) -> "x509.Certificate":
    """The certificate of an outcome that must be one."""
    assert isinstance(outcome, Issued), outcome
    return x509.load_pem_x509_certificate(outcome.certificate.chain.encode())


def failed(outcome) -> Failed:
    assert isinstance(outcome, Failed), outcome
    return outcome


def nothing_left(world) -> None:
    """No challenge is answered any more, and none is kept."""
    assert list(Challenge.objects.all()) == []
    assert world.edges.documents() == []
    assert not Order.objects.exclude(authorizations__value="").filter(authorizations__value__gt="").exists()


def leases_expire() -> None:
    """As if so much time had passed that nobody holds an order any more."""
    Order.objects.filter(ended_at=None).update(leased_until=timezone.now() - timedelta(seconds=1))


class Child:
    """A process of its own that does some work with the same database. It is forked, so it starts at once."""

    def __init__(self, work) -> None:
        connections.close_all()
        with WORKING:
            self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                work()
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)

    def wait(self) -> int:
        """Its exit status; -9 where it was killed."""
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)


class Killer:
    """A `progress` that ends its process as a power failure would, at the call with the given number."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, what: str) -> None:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1
