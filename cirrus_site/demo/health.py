"""Asks the servers themselves whether they work. Each check returns, or raises what went wrong."""

import http.client
import socket

from cirrus_site.config import Config

TIMEOUT = 2.0


def reachable(bind: str) -> str:
    """The address at which this machine reaches what listens on `bind`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind)  # noqa: S104  (compared, not bound)


def http_answers(host: str, port: int, path: str, headers: dict[str, str] | None = None) -> None:
    """GET, without any proxy that the environment names; a status of 400 or more is a failure."""
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    try:
        connection.request("GET", path, headers=headers or {})
        status = connection.getresponse().status
    finally:
        connection.close()
    if status >= 400:
        raise OSError(f"{path} answers {status}")


def accepts(bind: str, port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        socket.create_connection((reachable(bind), port), timeout=TIMEOUT).close()
    except OSError:
        return False
    return True


def web_answers(config: Config) -> None:
    """The portal's /healthz, asked for by a name that it accepts and as if through HTTPS."""
    names = [name for name in config.allowed_hosts if not name.startswith((".", "*"))]
    headers = {"Host": names[0] if names else "localhost", "X-Forwarded-Proto": "https"}
    http_answers(reachable(config.web_bind), config.web_port, "/healthz", headers)


def redis_answers() -> None:
    import redis
    from django.conf import settings

    with redis.Redis.from_url(settings.KEYSPACE_URL, socket_timeout=TIMEOUT) as client:
        client.ping()


def worker_answers() -> None:
    from cirrus_site.celery import app

    if not app.control.ping(timeout=1.0):
        raise OSError("no worker answers")


def name_server_answers(host: str, port: int, name: str) -> None:
    """Any answer but “I cannot” will do: the zone may be another one by now."""
    import dns.message
    import dns.query
    import dns.rcode

    answer = dns.query.udp(dns.message.make_query(name, "A"), host, timeout=TIMEOUT, port=port)
    if answer.rcode() == dns.rcode.SERVFAIL:
        raise OSError("it has not got its zones yet")
