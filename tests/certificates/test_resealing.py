"""Sealing again with a new key: nothing is forgotten, and edges can always open what they are given."""

import ast
import base64
import re

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import override_settings

from accounts.sealing import edges_ring, open_sealed, seal
from api.models import Operation
from certificates.errors import KeyNotOnEdges
from certificates.models import Authority, AuthorityAccount, Certificate, Order, TicketKey
from certificates.resealing import SEALED, secrets_reseal, secrets_waiting
from dnszones.models import Secondary
from edge.models import Kind
from tests.certificates.made import enroll, secured_domain
from tests.dnszones.factories import SecondaryFactory
from tests.edge.keyspace_reader import acknowledge, documents
from tests.factories import NodeFactory

pytestmark = pytest.mark.django_db(transaction=True)

APPS = (
    "accounts",
    "api",
    "certificates",
    "configuration",
    "cirrus_site",
    "dnszones",
    "domains",
    "edge",
    "nodes",
)


def keys(**ring):
    text = ",".join(f"{name}:{base64.b64encode(bytes([byte]) * 32).decode()}" for name, byte in ring.items())
    return override_settings(CIRRUS=settings.CIRRUS.model_copy(update={"sealing_keys": text}))


def everything_sealed():
    """A row of each kind, and what is in it."""
    domain = secured_domain()
    ca = Authority.objects.create(
        name="ca", directory_url="https://ca.example/dir", eab_key=seal(b"eab", record="eab:ca")
    )
    for staging, word in ((False, "production"), (True, "staging")):
        key = seal(word.encode(), record=f"account:ca:{word}")
        AuthorityAccount.objects.create(authority=ca, staging=staging, key=key)
    order = Order.objects.create(enrollment=enroll(domain), authority=ca)
    order.key = seal(b"order", record=f"order:{order.pk}")
    order.save()
    TicketKey.objects.create(
        label="1", active_from=order.created_at, key=seal(b"t" * 80, record="tickets:1", ring="edges")
    )
    SecondaryFactory()
    operation = Operation.objects.create(kind="test")
    operation.sealed = seal(b"operation", record=f"operation:{operation.pk}")
    operation.save()


def opened():
    """Every secret of the database, as it opens now."""
    return {
        (sealed.label, row.pk): open_sealed(
            getattr(row, sealed.column), record=sealed.record(row), ring=sealed.ring
        )
        for sealed in SEALED
        for row in sealed.model._default_manager.exclude(**{sealed.column: ""})
    }


def test_everything_is_sealed_again_and_the_old_key_is_needed_no_more(keyspace):
    with keys(old=1):
        everything_sealed()
        before = opened()
        assert {label for label, _ in before} == {sealed.label for sealed in SEALED}
    with keys(new=2, old=1):
        done = secrets_reseal()
        assert (done.done, done.failed) == (len(before), [])
        assert secrets_reseal().done == 0
    with keys(new=2):
        assert opened() == before
        ring = edges_ring()
    documented = [
        *(d["current"]["key"] for d in documents(keyspace, Kind.CERTIFICATE).values()),
        *(key["key"] for key in documents(keyspace, Kind.TICKETS)["tickets"]["keys"]),
    ]
    assert len(documented) == 2
    assert all(text.partition(":")[0] in ring for text in documented)


def test_it_goes_on_where_it_was_stopped(keyspace, monkeypatch):
    with keys(old=1):
        everything_sealed()
        before = opened()

    class Stopped(Exception):
        """As a person presses Ctrl-C."""

    def stop(what, done, total):
        raise Stopped

    rounds = 0
    with keys(new=2, old=1):
        while True:
            try:
                secrets_reseal(progress=stop)
                break
            except Stopped:
                rounds += 1
                assert opened() == before
    assert rounds == len(SEALED)  # at most CHUNK rows of each kind
    with keys(new=2):
        assert opened() == before


def test_no_private_key_is_sealed_with_a_key_that_an_edge_does_not_have(keyspace):
    NodeFactory(name="edge-1")
    NodeFactory(name="edge-2")
    with keys(old=1):
        everything_sealed()
        before = documents(keyspace, Kind.CERTIFICATE)
    with keys(new=2, old=1):
        with pytest.raises(KeyNotOnEdges, match="edge-1, edge-2 do not report it"):
            secrets_reseal()
        acknowledge(keyspace, "edge-1", keys="new,old")
        acknowledge(keyspace, "edge-2", keys="old")
        with pytest.raises(KeyNotOnEdges, match=r"\(edge-2 does not report it\)"):
            secrets_reseal()
        assert documents(keyspace, Kind.CERTIFICATE) == before
        acknowledge(keyspace, "edge-2", keys="new,old")
        assert secrets_reseal().done == len(opened())
    with keys(newer=3, new=2):
        assert secrets_reseal(force=True).done == len(opened())


def test_with_redis_down_nobody_knows_what_edges_have(keyspace):
    NodeFactory(name="edge-1")
    with keys(old=1):
        secured_domain()
    keyspace.stop()
    with keys(new=2, old=1), pytest.raises(KeyNotOnEdges, match="cannot be read"):
        secrets_reseal()


def test_what_cannot_be_opened_is_told_and_stays(keyspace):
    with keys(old=1):
        everything_sealed()
        stranger = seal(b"x", record="account:other:staging")
    AuthorityAccount.objects.filter(staging=True).update(key=stranger)
    with keys(new=2, old=1):
        done = secrets_reseal()
        assert not secrets_waiting(SEALED[-1]).exists()
    assert len(done.failed) == 1
    assert "account:ca:staging cannot be opened" in done.failed[0]
    assert AuthorityAccount.objects.get(staging=True).key == stranger


def test_the_commands_say_what_they_did(keyspace, capsys):
    with keys(old=1):
        secured_domain()
    with keys(new=2, old=1):
        with pytest.raises(SystemExit):
            call_command("rotate_sealing_key", check=True)
        count = Certificate.objects.count()
        assert f"certificates: {count} to be sealed again" in capsys.readouterr().out
        call_command("rotate_sealing_key")
        assert f"{count} secrets were sealed again, with the key “new”" in capsys.readouterr().out
        call_command("rotate_sealing_key", check=True)
        call_command("edge_keys")
        printed = capsys.readouterr().out.splitlines()[-1]
        ours = edges_ring()
    with override_settings(
        CIRRUS=settings.CIRRUS.model_copy(update={"sealing_keys": "", "edge_keys": printed})
    ):
        assert edges_ring() == ours
        assert all(certificate.key.startswith("new:") for certificate in Certificate.objects.all())


def test_where_there_is_no_key_the_commands_say_so(tmp_path):
    bare = settings.CIRRUS.model_copy(update={"sealing_keys": "", "var_dir": tmp_path})
    with override_settings(CIRRUS=bare):
        with pytest.raises(CommandError, match="There is no sealing key here"):
            call_command("edge_keys")
        with pytest.raises(CommandError, match="There is no sealing key here"):
            call_command("rotate_sealing_key")


# -- nothing is forgotten --------------------------------------------------------------------------------


def sealed_records():
    """The first word of every record that our code seals something for: `certificate`, `tsig` and so on."""
    trees = [ast.parse(path.read_text()) for app in APPS for path in (settings.BASE_DIR / app).rglob("*.py")]
    everywhere = {name: node for tree in trees for name, node in functions(tree).items()}
    for tree in trees:
        helpers = {**everywhere, **functions(tree)}
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "seal":
                [record] = [keyword.value for keyword in call.keywords if keyword.arg == "record"]
                yield first_word(record, helpers)


def functions(tree):
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def first_word(record, helpers):
    if isinstance(record, ast.Call):  # a function that makes the name
        [said] = [node.value for node in ast.walk(helpers[record.func.id]) if isinstance(node, ast.Return)]
        return first_word(said, helpers)
    if isinstance(record, ast.Name):
        return None  # resealing.py itself, which is about all of them
    assert isinstance(record, ast.JoinedStr), ast.dump(record)
    return re.match("[a-z]+(?=:)", record.values[0].value)[0]


def test_no_sealed_secret_is_forgotten(keyspace):
    with keys(old=1):
        everything_sealed()
    known = {
        sealed.record(sealed.model._default_manager.exclude(**{sealed.column: ""}).first()).partition(":")[0]
        for sealed in SEALED
    }
    assert {word for word in sealed_records() if word} == known
    assert Secondary in {sealed.model for sealed in SEALED}
