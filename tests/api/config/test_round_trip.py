"""What is exported makes the same installation elsewhere, against a real Redis."""

import pytest

from configuration.exporting import config_export
from configuration.files import document_read, document_written
from dnszones.models import Secondary, StagedZone
from domains.models import Domain
from edge.models import Keyspace, Outbox
from tests.api.config.world import apply, empty, published

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_was_exported_makes_the_same_documents_and_zones_elsewhere(installation):
    before, exported = published(installation), config_export()
    text = document_written(exported)
    empty()
    installation.client.flushall()
    Keyspace.objects.all().delete()
    plan = apply(document_read(text))
    assert {item.change for item in plan.items} == {"created"}
    assert published(installation) == before
    assert config_export() == exported
    assert plan.notes == ["secondaries ns1: a new key was made."]


def test_applying_an_export_changes_nothing(installation):
    published(installation)
    before = Keyspace.objects.get().revision, StagedZone.objects.count(), list(Domain.objects.values())
    plan = apply(document_read(document_written(config_export())), prune=True)
    assert plan.items == []
    assert (
        Keyspace.objects.get().revision,
        StagedZone.objects.count(),
        list(Domain.objects.values()),
    ) == before
    assert not Outbox.objects.exists()


def test_the_same_in_other_words_changes_nothing_either(installation):
    published(installation)
    document = config_export()
    domain = next(each for each in document["domains"] if each["host"] == "www.example.com")
    domain["host"], domain["default_ttl"] = "WWW.Example.com", 300
    domain["origins"][0]["verify"] = True
    del domain["access_name"]
    document["zones"][0]["records"].reverse()
    before = Keyspace.objects.get().revision
    assert apply(document).items == []
    assert Keyspace.objects.get().revision == before


def test_there_are_no_secrets_in_an_export(installation):
    text = document_written(config_export())
    assert Secondary.objects.get().tsig_secret not in text and "secret" not in text
