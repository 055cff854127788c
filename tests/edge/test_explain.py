"""Asking an edge to explain: only where a node may stand, and nowhere that it sends us."""

import pytest

from edge.errors import NotExplained
from edge.explain import Question, url_explain
from tests.edge.status_ports import StatusPorts, answer
from tests.factories import NodeFactory

pytestmark = pytest.mark.django_db

QUESTION = Question("http://www.x.example/a")


@pytest.fixture
def ports():
    ports = StatusPorts()
    yield ports
    ports.stop()


@pytest.mark.parametrize("address", ["169.254.169.254", "100.100.100.200", "0.0.0.0"])
def test_nothing_is_fetched_from_where_no_edge_stands(address):
    NodeFactory(name="edge-1", status_address=address)
    with pytest.raises(NotExplained, match="edge-1 is not asked: "):
        url_explain(question=QUESTION)


def test_loopback_is_asked_only_where_it_is_allowed(ports, settings):
    NodeFactory(name="edge-1", status_address="127.0.0.1", status_port=ports.open(answer(b'{"goes": "x"}')))
    assert url_explain(question=QUESTION).facts == {"goes": "x"}
    settings.CIRRUS = settings.CIRRUS.model_copy(update={"origin_allow": []})
    with pytest.raises(NotExplained, match="this machine itself"):
        url_explain(question=QUESTION)


def test_a_redirect_is_not_followed(ports):
    hidden = ports.open(answer(b'{"secret": 1}'))
    there = f"Location: http://127.0.0.1:{hidden}/\r\n"
    sends_on = ports.open(answer(b"", status=302, headers=there))
    NodeFactory(name="edge-1", status_address="127.0.0.1", status_port=sends_on)
    with pytest.raises(NotExplained, match="status 302"):
        url_explain(question=QUESTION)
