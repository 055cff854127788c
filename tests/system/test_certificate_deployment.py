"""Certificates on real edges: tried on one, then served by all, a moment after they were issued."""

import base64
import hashlib
import socket
import ssl
import time

import pytest
from django.conf import settings as configured

from accounts.sealing import edges_ring
from alarms.models import Alarm
from certificates.checks.reading import read_pem
from certificates.deployment import certificate_revert, certificate_upload, deploy, deploy_start
from certificates.deployment.deploying import ALARM
from certificates.deployment.handshakes import Target, handshakes
from certificates.deployment.storing import certificate_store
from certificates.deployment.tending import served_watch
from certificates.models import Certificate, Enrollment
from tests.certificates.house import DAY, NOW, pem, the_house
from tests.factories import DomainFactory, NodeFactory
from tests.servers import eventually, free_port

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]

HOST = "www.shop.example"


class Fleet:
    """Edges at loopback addresses of their own, with one HTTPS port, as nodes have it."""

    def __init__(self, start_edge, port):
        self.start_edge, self.port, self.addresses, self.edges = start_edge, port, {}, {}

    def add(self, name, **settings):
        """A node that is up, and its edge."""
        self.addresses[name] = f"127.0.1.{len(self.addresses) + 1}"
        NodeFactory(name=name, ipv4=self.addresses[name])
        self.edges[name] = self.start_edge(
            name,
            **{
                "CIRRUS_EDGE_KEYS": edge_keys(),
                "CIRRUS_EDGE_HTTPS_BIND": f"{self.addresses[name]}:{self.port}",
                **settings,
            },
        )
        return self.edges[name]

    def served(self):
        """Node → the fingerprint of what it serves."""
        targets = [Target(name, address, HOST) for name, address in self.addresses.items()]
        found = handshakes(targets, port=self.port, allow=["127.0.0.0/8"])
        return {
            target.node: each.fingerprint or each.why for target, each in zip(targets, found, strict=True)
        }


def edge_keys():
    """What an edge is given of the keys of this installation."""
    configured.CIRRUS.sealing_ring(make=True)
    return ",".join(f"{name}:{base64.b64encode(key).decode()}" for name, key in edges_ring().items())


@pytest.fixture
def fleet(start_edge, keyspace, settings):
    port = free_port()
    settings.CIRRUS = settings.CIRRUS.model_copy(update={"https_port": port})
    return Fleet(start_edge, port)


@pytest.fixture
def enrollment(fleet, origin):
    domain = DomainFactory(host=HOST, tls=True, origin__port=origin.port)
    return Enrollment.objects.get(domain=domain)


def issue(enrollment, **more):
    """A certificate that an authority has issued, as it is in SQL then."""
    material = read_pem(*the_house().bundle(HOST, **more))
    return certificate_store(material, source=Certificate.Source.ACME, enrollment=enrollment)


def bring(enrollment, certificate):
    deploy_start(enrollment, certificate)
    return deploy(enrollment.pk)


def test_a_certificate_is_served_by_every_edge_a_moment_after_it_was_issued(fleet, enrollment):
    for number in (1, 2, 3):
        fleet.add(f"edge-{number}")
    placeholder = Enrollment.objects.get(pk=enrollment.pk).current
    eventually(lambda: set(fleet.served().values()) == {placeholder.fingerprint})
    certificate = issue(enrollment)
    begun = time.perf_counter()
    outcome = bring(enrollment, certificate)
    seconds = time.perf_counter() - begun
    assert (outcome.state, outcome.sentence) == ("served", "served on 3 of 3")
    assert set(fleet.served().values()) == {certificate.fingerprint}
    print(f"\nserved by 3 edges {seconds:.3f} s after it was issued")
    assert seconds < 5  # alone on a machine it is a fifth of a second


def test_the_whole_chain_is_served_and_clients_that_trust_the_root_believe_it(fleet, enrollment):
    fleet.add("edge-1")
    assert bring(enrollment, issue(enrollment)).state == "served"
    context = ssl.create_default_context(cadata=pem(the_house().root).decode())
    with (
        socket.create_connection((fleet.addresses["edge-1"], fleet.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as secured,
    ):
        der = secured.getpeercert(binary_form=True)
    assert hashlib.sha256(der).hexdigest() == Enrollment.objects.get().current.fingerprint


def test_an_edge_that_cannot_open_the_key_keeps_a_certificate_from_all(fleet, enrollment):
    other = base64.b64encode(bytes(32)).decode()
    fleet.add("edge-1", CIRRUS_EDGE_KEYS=f"main:{other}")
    fleet.add("edge-2")
    before = fleet.served()
    outcome = bring(enrollment, issue(enrollment))
    assert outcome.state == "failed" and outcome.sentence.startswith("edge-1 ")
    assert fleet.served() == before
    assert "taken back" in Alarm.objects.open().get(kind=ALARM).sentence


def test_an_upload_and_a_step_back_reach_every_edge(fleet, enrollment):
    fleet.add("edge-1")
    fleet.add("edge-2")
    first = issue(enrollment)
    bring(enrollment, first)
    material = read_pem(*the_house().bundle(HOST, begin=NOW - DAY))
    certificate_upload(material=material, domains=[enrollment.domain])
    assert deploy(enrollment.pk).sentence == "served on 2 of 2"
    assert set(fleet.served().values()) == {material.fingerprint}
    certificate_revert(enrollment=enrollment)
    assert deploy(enrollment.pk).sentence == "served on 2 of 2"
    assert set(fleet.served().values()) == {first.fingerprint}
    assert served_watch()[HOST].sentence == "served on 2 of 2"
