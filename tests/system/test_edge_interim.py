"""Interim answers (1xx), which the nginx of Debian cannot take from an origin."""

import socket
import threading
from http.client import RemoteDisconnected

import pytest
import requests

from tests.factories import DomainFactory
from tests.servers import eventually

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]

FINAL = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=b\r\nConnection: close\r\n\r\nok"


@pytest.fixture
def early_origin():
    """An origin that sends 103 before it answers anything but /known; its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer():
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            if b"/known" not in client.recv(65536):
                client.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")
            client.sendall(FINAL)
            client.close()

    threading.Thread(target=answer, daemon=True).start()
    yield server.getsockname()[1]
    server.close()


def test_an_interim_answer_ends_at_once_and_nothing_of_it_reaches_the_client(edge, early_origin):
    domain = DomainFactory(origin__port=early_origin)
    eventually(lambda: edge.get(domain.host, "/known").status_code == 200)
    assert edge.get(domain.host, "/early").status_code == 502
    with pytest.raises(requests.ConnectionError) as refused:
        edge.request("POST", domain.host, "/early")
    assert isinstance(refused.value.args[0].args[1], RemoteDisconnected)
    assert "sent an interim answer (103)" in edge.errors()
