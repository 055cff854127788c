"""The Redis users: what each may do works, and everything else is refused by a real Redis."""

import os
import subprocess
import sys
from io import StringIO

import pytest
import redis
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import override_settings

from cirrus_site.celery import app
from edge import keyspace as names
from edge.acl import edge_user, redis_users
from edge.models import Kind
from edge.outbox import flush
from edge.store import reaching_redis
from edge.sync import keyspace_repair
from tests.edge.keyspace_reader import documents
from tests.factories import DomainFactory, NodeFactory
from tests.servers import eventually

pytestmark = pytest.mark.django_db(transaction=True)

USERS = ["control", "dns", "edge-edge-1"]


@pytest.fixture
def users(keyspace, tmp_path):
    """The users, applied to the running Redis with passwords from a file, and gone afterwards."""
    NodeFactory(name="edge-1")
    file = tmp_path / "passwords"
    file.write_text("# user password\n" + "".join(f"{user} {user}-secret\n" for user in USERS))
    run("--apply", "--passwords", str(file))
    yield keyspace
    keyspace.client.acl_deluser(*USERS)


def run(*arguments):
    out = StringIO()
    call_command("redis_acl", *arguments, stdout=out)
    return out.getvalue()


def client_of(server, user):
    return redis.Redis(
        port=server.port, username=user, password=f"{user}-secret", decode_responses=True, socket_timeout=5
    )


def assert_refused(*calls):
    for call in calls:
        with pytest.raises(redis.exceptions.NoPermissionError):
            call()


def test_an_edge_reads_the_keyspace_and_writes_only_what_is_its_own(users):
    DomainFactory(host="www.a.example")
    edge = client_of(users, "edge-edge-1")
    assert edge.ping()
    assert edge.time()
    assert edge.hmget(names.META, "epoch", "rev")
    assert edge.mget("cdn:dom:www.a.example")[0]
    assert edge.get("cdn:dom:www.a.example")
    assert edge.zrange("cdn:index:domain", 0, -1, withscores=True)
    assert edge.zrangebyscore("cdn:gone:domain", 0, 10, withscores=True) == []
    assert edge.zcard("cdn:index:domain") == 1
    assert edge.xread({names.CHANGES: "0"}, count=1, block=10)
    assert edge.xrange(names.CHANGES, count=1)
    for kind in Kind.values:
        assert edge.get(names.document_key(kind, "nobody")) is None
        assert edge.zcard(names.gone_key(kind)) == 0
    edge.hset(names.ack_key("edge-1"), mapping={"rev": 1})
    edge.xadd(names.acks_key("edge-1"), {"rev": 1}, maxlen=1000, approximate=True)
    edge.hset("cdn:stats:edge-1:29000000", "www.a.example|requests", 1)
    edge.expire("cdn:stats:edge-1:29000000", 60)


def test_an_edge_is_refused_everything_else(users):
    edge = client_of(users, "edge-edge-1")
    assert_refused(
        lambda: edge.set("cdn:dom:www.a.example", "{}"),
        lambda: edge.hgetall(names.SECONDARIES),
        lambda: edge.hgetall(names.ack_key("edge-2")),
        lambda: edge.hgetall(names.health_key("edge-1")),
        lambda: edge.hgetall(names.zone_names_key("a.example")),
        lambda: edge.hset(names.META, "rev", 10**9),
        lambda: edge.hset(names.ack_key("edge-2"), "rev", 1),
        lambda: edge.hset(names.ack_key("edge-10"), "rev", 1),
        lambda: edge.xadd(names.acks_key("edge-2"), {"rev": 1}),
        lambda: edge.xadd(names.CHANGES, {"rev": 1}),
        lambda: edge.hset("cdn:stats:edge-2:29000000", "a", 1),
        lambda: edge.expire("cdn:dom:www.a.example", 1),
        lambda: edge.zadd("cdn:index:domain", {"a": 1}),
        lambda: edge.delete(names.ack_key("edge-1")),
        lambda: edge.get("celery:queue"),
        lambda: edge.get("cirrus:1:session"),
        lambda: edge.publish(names.NOTIFY, "x"),
        lambda: edge.eval("return 1", 0),
        lambda: edge.keys("*"),
        lambda: edge.scan(),
        lambda: edge.flushall(),
        lambda: edge.config_get("*"),
        lambda: edge.acl_list(),
    )


def test_the_dns_reads_zones_and_notes_what_it_saw_and_nothing_else(users):
    DomainFactory(host="www.a.example")
    dns = client_of(users, "dns")
    assert dns.hgetall(names.ZONES) == {}
    assert dns.hkeys(names.SECONDARIES) == []
    assert dns.get(names.ZONES_CONFIRMED) is None
    assert dns.xread({names.ZONES_CHANGES: "0"}, block=10) in ([], {})
    assert dns.xrevrange(names.ZONES_CHANGES, count=1) == []
    with dns.pipeline(transaction=True) as pipe:
        pipe.hmget(names.zone_key("a.example"), ["serial"])
        pipe.hgetall(names.zone_names_key("a.example"))
        pipe.xrange(names.zone_versions_key("a.example"))
        assert pipe.execute() == [[None], {}, []]
    dns.hset(names.zone_seen_key("a.example"), "ns1", "{}")
    assert_refused(
        lambda: dns.get("cdn:dom:www.a.example"),
        lambda: dns.get("cdn:node:edge-1"),
        lambda: dns.hgetall("cdn:cert:www.a.example"),
        lambda: dns.hset(names.zone_key("a.example"), "serial", "1"),
        lambda: dns.hset(names.zone_names_key("a.example"), "@", "[]"),
        lambda: dns.hset(names.ZONES, "a.example", "1"),
        lambda: dns.hset(names.SECONDARIES, "ns9", "{}"),
        lambda: dns.hset(names.ack_key("edge-1"), "rev", 1),
        lambda: dns.xadd(names.ZONES_CHANGES, {"op": "gone"}),
        lambda: dns.delete(names.zone_seen_key("a.example")),
    )


def test_the_control_plane_publishes_repairs_caches_and_queues_as_its_own_user(users):
    url = f"redis://control:control-secret@127.0.0.1:{users.port}"
    with override_settings(KEYSPACE_URL=f"{url}/0"):
        DomainFactory(host="www.a.example")
        flush()
        users.client.delete("cdn:dom:www.a.example")
        keyspace_repair(rebuild=True)
    assert set(documents(users)) == {"www.a.example"}
    with app.connection_for_write(url=f"{url}/1") as connection:
        connection.ensure_connection(max_retries=1)
        queue = connection.SimpleQueue("acl-test")
        queue.put({"hello": "worker"})
        message = queue.get(timeout=5)
        message.ack()
        queue.close()
    cache = redis.Redis.from_url(f"{url}/2")
    cache.set("cirrus:1:session", "value", ex=5)
    assert cache.get("cirrus:1:session")
    control = client_of(users, "control")
    assert_refused(
        lambda: control.flushall(),
        lambda: control.config_get("*"),
        lambda: control.acl_list(),
        lambda: control.set("somebody-elses", "key"),
    )


def test_a_worker_starts_and_answers_as_the_control_user(users):
    url = f"redis://control:control-secret@127.0.0.1:{users.port}"
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "cirrus_site", "worker", "--pool=solo", "--loglevel=warning"],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "cirrus_site.settings", "REDIS_URL": url},
        cwd=settings.BASE_DIR,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with app.connection_for_write(url=f"{url}/1") as connection:
            eventually(lambda: app.control.ping(connection=connection, timeout=0.5), within=30)
        assert worker.poll() is None
    finally:
        worker.terminate()
        worker.wait(timeout=20)


def test_a_deleted_right_is_told_as_a_refusal_of_redis(users):
    DomainFactory(host="www.a.example")
    url = f"redis://edge-edge-1:edge-edge-1-secret@127.0.0.1:{users.port}/0"
    with override_settings(KEYSPACE_URL=url), pytest.raises(Exception, match="Redis refuses"):
        flush()


def test_the_printed_lines_load_as_an_acl_file_and_show_no_password_but_the_generated(keyspace, tmp_path):
    NodeFactory(name="edge-1")
    printed, _, generated = run().partition("\nGenerated passwords, shown only now:\n")
    passwords = dict(line.split() for line in generated.splitlines())
    assert set(passwords) == set(USERS)
    assert not any(password in printed for password in passwords.values())
    for line in printed.splitlines():
        _, name, *rules = line.split()
        keyspace.client.execute_command("ACL", "SETUSER", name, *rules)
    try:
        edge = redis.Redis(port=keyspace.port, username="edge-edge-1", password=passwords["edge-edge-1"])
        assert edge.ping()
    finally:
        keyspace.client.acl_deluser(*USERS)


def test_one_node_is_given_its_user_and_nobody_else_is_touched(keyspace):
    NodeFactory(name="edge-1")
    NodeFactory(name="edge-2")
    printed = run("--node", "edge-2")
    assert printed.startswith("user edge-edge-2 reset on #")
    assert "edge-1" not in printed
    assert "control" not in printed


def test_a_node_that_is_no_edge_is_refused_with_a_sentence(db):
    with pytest.raises(CommandError, match=r"No edge is called nowhere\."):
        run("--node", "nowhere")


def test_a_file_of_passwords_that_makes_no_sense_is_refused(db, tmp_path):
    (tmp_path / "passwords").write_text("control\n")
    with pytest.raises(CommandError, match="a user and a password"):
        run("--passwords", str(tmp_path / "passwords"))
    with pytest.raises(CommandError, match="cannot be read"):
        run("--passwords", str(tmp_path / "nothing"))


def test_a_name_of_an_edge_gives_no_right_to_a_longer_name():
    rules = edge_user("edge-1").rules
    assert [rule for rule in rules if rule.startswith("%W~")] == [
        "%W~cdn:ack:edge-1",
        "%W~cdn:acks:edge-1",
        "%W~cdn:stats:edge-1:*",
    ]
    assert [user.name for user in redis_users(["a"])] == ["control", "dns", "edge-a"]


def test_redis_is_still_reached_without_users(keyspace):
    with reaching_redis() as client:
        assert client.ping()
