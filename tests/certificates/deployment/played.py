"""An edge that the tests play: it acknowledges documents, and serves their certificates over real TLS."""

import contextlib
import json
import socket
import ssl
import tempfile
import threading
import time
from pathlib import Path

import redis
from cryptography.hazmat.primitives import serialization

from accounts.sealing import open_sealed
from edge import keyspace
from tests.certificates.house import key_pem
from tests.edge.keyspace_reader import acknowledge, meta


class PlayedEdge:
    """Serves at `address` what the document of the host tells the node `name` to serve.

    `refuses`: why it refuses each new certificate document ("" for none). `silent`: acknowledges nothing.
    `serves`: a (chain, key) in PEM that it serves whatever the document says.
    """

    def __init__(self, server, name, address, port, host):
        self.redis, self.name, self.host = server, name, host
        self.refuses, self.silent, self.serves = "", False, None
        self.served, self.ended = [], threading.Event()
        self.listener = socket.create_server((address, port), backlog=128)
        for work in (self._acknowledge, self._listen):
            threading.Thread(target=work, daemon=True).start()

    def stop(self):
        """Answer nobody any more, and acknowledge nothing."""
        self.ended.set()
        self.close()

    def close(self):
        """Answer nobody any more."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def document(self):
        """The certificate document as it is in Redis, or None."""
        text = self.redis.client.get(keyspace.document_key("certificate", self.host))
        return json.loads(text) if text else None

    def _acknowledge(self):
        said, at = None, 0.0
        while not self.ended.wait(0.005):
            with contextlib.suppress(redis.exceptions.ConnectionError):  # a test has stopped Redis
                now = meta(self.redis)
                position = (now.get("epoch"), now.get("rev"), self.refuses)
                if not self.silent and (position != said or time.time() - at > 1):
                    acknowledge(self.redis, self.name, refusals=json.dumps(self._refusals()))
                    said, at = position, time.time()

    def _refusals(self):
        document = self.document()
        if not self.refuses or not document:
            return {}
        position = {"epoch": document["epoch"], "rev": document["rev"], "why": self.refuses}
        return {f"certificate:{self.host}": position}

    def _listen(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sni_callback = self._choose
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._shake, args=(context, connection), daemon=True).start()

    def _shake(self, context, connection):
        with contextlib.suppress(OSError), connection:
            connection.settimeout(5)
            with context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(1)

    def _choose(self, connection, server_name, _):
        chosen = self.serves or self._told()
        if chosen is None:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        self.served.append(server_name)
        connection.context = context_of(*chosen)
        return None

    def _told(self):
        document = self.document() or {}
        candidate = document.get("candidate") or {}
        part = candidate if candidate.get("node") == self.name else document.get("current")
        if not part:
            return None
        der = open_sealed(part["key"], record=f"certificate:{part['fingerprint']}", ring="edges")
        return part["chain"].encode(), key_pem(serialization.load_der_private_key(der, None))


def context_of(chain, key):
    """A server's TLS context with this chain and key (PEM)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "both.pem")
        path.write_bytes(chain + key)
        context.load_cert_chain(path)
    return context
