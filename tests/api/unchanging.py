"""The API served from a world that is after each request what it was before it: what one request did is
nothing that the next one has to reckon with, and a finding can be had again by its request alone."""

import errno
import re
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from wsgiref.simple_server import WSGIRequestHandler, make_server

import redis
from django.conf import settings
from django.db import connection, connections, transaction

from cirrus_site.wsgi import application
from tests.slate import quoted

#: The databases of Redis that Cirrus uses: the keyspace, the queue of the workers, and the cache.
DATABASES = (0, 1, 2)
WRITES = re.compile(r'(?:INSERT (?:OR IGNORE )?INTO|UPDATE|DELETE FROM) "(\w+)"')


class Snapshot:
    """The rows of all tables and the keys of Redis, to be put back."""

    def __init__(self) -> None:
        with connection.cursor() as cursor:
            tables = connection.introspection.table_names(cursor)
        self.rows = {table: _rows(table) for table in tables}
        self.redis = {number: redis_client(number) for number in DATABASES}
        self.keys = {number: _dumped(client) for number, client in self.redis.items()}

    def restore(self, tables: Iterable[str]) -> None:
        """Put back what was written: to these tables, and with it to Redis."""
        with transaction.atomic(), connection.cursor() as cursor:
            for table in tables:
                cursor.execute(f"DELETE FROM {quoted(table)}")
                if rows := self.rows[table]:
                    places = ", ".join(["%s"] * len(rows[0]))
                    cursor.executemany(f"INSERT INTO {quoted(table)} VALUES ({places})", rows)
        for number, keys in self.keys.items():
            pipeline = self.redis[number].pipeline(transaction=True)
            pipeline.flushdb()
            for key, value in keys.items():
                pipeline.restore(key, 0, value)
            pipeline.execute()


class Unchanging:
    """The control plane (WSGI) of a world that is after each request what it was before it."""

    def __init__(self) -> None:
        self.world, self.written = Snapshot(), set[str]()
        self.keeping = True

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        with connection.execute_wrapper(self._note):
            answer = application(environ, start_response)
            try:
                content = list(answer)
            finally:
                answer.close()
        if self.keeping:
            self.restore()
        return content

    def restore(self) -> None:
        """Make the world what it was."""
        if self.written:
            self.world.restore(self.written)
            self.written.clear()
            connection.close()

    def _note(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if found := WRITES.match(sql):
            self.written.add(found[1])
        return execute(sql, params, many, context)


def _rows(table: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {quoted(table)}")
        return list(cursor.fetchall())


def redis_client(number: int) -> "redis.Redis":
    return redis.Redis.from_url(settings.REDIS_URL, db=number)


def _dumped(client: "redis.Redis") -> dict[bytes, Any]:
    return {key: client.dump(key) for key in client.scan_iter(count=1000)}


class _Quiet(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The address of a server of this process."""
    server = make_server("127.0.0.1", 0, app, handler_class=_Quiet)

    def run() -> None:
        server.serve_forever(0.05)
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def no_way_out() -> Iterator[None]:
    """Nothing of this process reaches another machine: other addresses are unreachable, and names unknown."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def guarded(self: socket.socket, address: Any) -> Any:
        if isinstance(address, tuple) and not str(address[0]).startswith(("127.", "::1")):
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        return connect(self, address)

    def local(host: Any, *args: Any, **kwargs: Any) -> Any:
        if str(host) in ("localhost", "127.0.0.1", "::1"):
            return look_up(host, *args, **kwargs)
        return look_up(host, *args, **{**kwargs, "flags": socket.AI_NUMERICHOST})

    with patch.object(socket.socket, "connect", guarded), patch.object(socket, "getaddrinfo", local):
        yield
