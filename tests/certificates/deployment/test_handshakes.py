"""What real TLS servers serve, and what is said of those that are none."""

import hashlib
import socket
import ssl
import threading
import time
from contextlib import contextmanager

import pytest

from certificates.deployment.handshakes import Served, Target, handshakes
from tests.servers import Origin, certificate_for, free_port

LOOPBACK = ["127.0.0.0/8"]


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    """A TLS server, and the fingerprint of what it serves."""
    context, path = certificate_for("www.example.com", folder=tmp_path_factory.mktemp("tls"))
    server = Origin(tls=context)
    der = ssl.PEM_cert_to_DER_cert(path.read_text())
    yield server, hashlib.sha256(der).hexdigest()
    server.stop()


@contextmanager
def talker(answer):
    """A server that says `answer` (bytes) to whoever connects; None: nothing at all."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run():
            kept = []
            while True:
                try:
                    kept.append(server.accept()[0])
                except OSError:
                    return
                if answer is not None:
                    kept[-1].recv(4096)
                    kept[-1].sendall(answer)
                    kept[-1].close()

        threading.Thread(target=run, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def ask(port, address="127.0.0.1", **more):
    (served,) = handshakes(
        [Target("edge-1", address, "www.example.com")], port=port, **{"allow": LOOPBACK, **more}
    )
    return served


def test_the_fingerprint_of_what_is_served_is_found_out(secured):
    server, fingerprint = secured
    assert ask(server.port) == Served(fingerprint)


def test_hundreds_are_asked_at_once_and_answered_in_order(secured):
    server, fingerprint = secured
    targets = [Target(f"edge-{n}", "127.0.0.1", "www.example.com") for n in range(300)]
    targets[7] = Target("edge-7", "127.0.0.2", "www.example.com")  # nobody listens there
    served = handshakes(targets, port=server.port, allow=LOOPBACK)
    assert [n for n, each in enumerate(served) if each.fingerprint != fingerprint] == [7]
    assert not served[7].reached


def test_where_nobody_listens_it_is_said():
    served = ask(free_port())
    assert (served.fingerprint, served.reached) == ("", False)
    assert "cannot be reached" in served.why


def test_an_alert_is_an_answer():
    unrecognized_name = b"\x15\x03\x03\x00\x02\x02\x70"
    with talker(unrecognized_name) as port:
        served = ask(port)
    assert served.reached and served.why.endswith("failed: tlsv1 unrecognized name")


def test_something_else_than_tls_is_an_answer_too():
    with talker(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        served = ask(port)
    assert served.reached and "the handshake with" in served.why


def test_a_server_that_keeps_silent_costs_no_more_than_the_patience():
    with talker(None) as port:
        begun = time.monotonic()
        served = ask(port, patience=0.3)
    assert time.monotonic() - begun < 3
    assert served == Served(why=f"no handshake with 127.0.0.1 port {port} within 0.3 s", reached=False)


def test_addresses_that_nothing_may_be_fetched_from_are_not_asked(secured):
    server, _ = secured
    for address in ("127.0.0.1", "169.254.169.254", "::1", "0.0.0.0"):
        served = ask(server.port, address, allow=[])
        assert served.why.startswith("it is not asked") and not served.reached


def test_nobody_to_ask_is_fine():
    assert handshakes([], port=443) == []
