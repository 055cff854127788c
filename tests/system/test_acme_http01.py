"""Certificates by HTTP-01 through real edges: all answer from memory, and then the authority is told."""

import signal

import pytest

from certificates.issuance.orders import order_advance
from certificates.issuance.outcomes import Waiting
from certificates.models import Enrollment
from tests.ca import CertificateAuthority, Resolver
from tests.certificates.issuance.world import authority_of, failed, issued, open_order
from tests.factories import DomainFactory, HostNameFactory
from tests.servers import OriginAnswer, eventually

pytestmark = pytest.mark.system


@pytest.fixture
def domain(edges, origin):
    """A domain that both edges serve, with an alias."""
    origin.answer = lambda request: OriginAnswer(404, b"the origin knows no challenge")
    made = DomainFactory(host="www.shop.example", origin__port=origin.port)
    HostNameFactory(domain=made, name="shop.example")
    eventually(lambda: all(edge.get("shop.example").status_code == 404 for edge in edges))
    eventually(lambda: all(b"origin" in edge.get("shop.example").content for edge in edges))
    return made


@pytest.fixture
def authority(tmp_path, edges, settings):
    """An authority that comes to the first of the edges."""
    resolver = Resolver()
    settings.CIRRUS = settings.CIRRUS.model_copy(update={"resolvers": [resolver.address]})
    with CertificateAuthority(
        tmp_path / "ca", resolver=resolver, http_port=edges[0].http_port, bad_nonces=10
    ) as ca:
        yield authority_of(ca)
    resolver.stop()


def enroll(domain):
    return Enrollment.objects.update_or_create(domain=domain)[0]


def finish(order):
    outcomes = []

    def ended():
        outcomes.append(order_advance(order.pk, patience=5))
        return not isinstance(outcomes[-1], Waiting)

    eventually(ended, within=40, every=0.2)
    return outcomes[-1]


def test_names_are_proven_at_the_edges_which_then_forget_the_answers(edges, domain, authority, origin):
    asked = []
    order = open_order(enroll(domain), authority)

    def progress(what):
        if what == "ask challenge":
            row = order.authorizations.exclude(value="").first()
            path = f"/.well-known/acme-challenge/{row.token}"
            asked.append([edge.get(row.name, path).text == row.value for edge in edges])

    assert issued(order_advance(order.pk, progress=progress))
    assert asked == [[True, True], [True, True]], "both edges answered before the authority was told"
    assert not any("acme-challenge" in request.path for request in origin.requests)
    row = order.authorizations.first()
    assert (row.value, row.token) == ("", "")


def test_an_edge_that_is_away_is_waited_for(edges, domain, authority):
    edges[1].stop(signal.SIGKILL)
    order = open_order(enroll(domain), authority)
    outcome = order_advance(order.pk, patience=1)
    assert isinstance(outcome, Waiting)
    assert "edge-2" in outcome.why
    edges[1].start()
    assert issued(finish(order))


def test_a_name_that_points_elsewhere_is_refused_with_a_sentence(edges, domain, authority, tmp_path, origin):
    authority.delete()
    resolver = Resolver()
    with CertificateAuthority(tmp_path / "other", resolver=resolver, http_port=origin.port) as ca:
        outcome = failed(finish(open_order(enroll(domain), authority_of(ca))))
    resolver.stop()
    assert outcome.kind == "unauthorized"
    assert "check that it points at the edges" in outcome.sentence
