"""A domain with HTTPS, edges that are played, and certificates of an authority of our own."""

from itertools import count

import pytest

from certificates.checks.reading import read_pem
from certificates.deployment import deploy, deploy_start
from certificates.deployment.storing import certificate_store
from certificates.models import Certificate, Enrollment
from tests.certificates.deployment.played import PlayedEdge
from tests.certificates.house import the_house
from tests.factories import DomainFactory, NodeFactory
from tests.servers import free_port

HOST = "www.example.com"
_numbers = count(2)


class World:
    """One domain and its enrollment; `edges` by name."""

    def __init__(self, redis, port):
        self.redis, self.port, self.edges = redis, port, {}
        self.domain = DomainFactory(host=HOST, tls=True)
        self.enrollment = Enrollment.objects.get(domain=self.domain)
        self.without_certificate()

    def without_certificate(self):
        """Take the placeholder away that the save has made."""
        self.enrollment.current = None
        self.enrollment.save()
        Certificate.objects.all().delete()

    def add_edge(self, name, **more):
        """A node that is up and its edge, at a loopback address of its own."""
        address = f"127.0.0.{next(_numbers) % 250 + 2}"
        NodeFactory(name=name, ipv4=address, **more)
        self.edges[name] = PlayedEdge(self.redis, name, address, self.port, self.domain.host)
        return self.edges[name]

    def issue(self, *names, **more):
        """A certificate that an authority has issued, as it is in SQL then."""
        material = read_pem(*the_house().bundle(*names or [HOST], **more))
        return certificate_store(material, source=Certificate.Source.ACME, enrollment=self.enrollment)

    def start(self, certificate):
        """Begin its deployment, as an order does that has been issued."""
        deploy_start(self.enrollment, certificate)
        return self.now()

    def deploy(self, certificate=None):
        """What the worker does; the outcome."""
        if certificate:
            self.start(certificate)
        outcome = deploy(self.enrollment.pk)
        self.now()
        return outcome

    def now(self):
        """The enrollment as it is in SQL."""
        self.enrollment = Enrollment.objects.select_related("domain", "current", "candidate", "previous").get(
            pk=self.enrollment.pk
        )
        return self.enrollment


@pytest.fixture
def world(keyspace, transactional_db, settings):
    port = free_port()
    settings.CIRRUS = settings.CIRRUS.model_copy(update={"https_port": port})
    world = World(keyspace, port)
    yield world
    for edge in world.edges.values():
        edge.stop()
