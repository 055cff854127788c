"""Authorities in the portal: added, tried, watched; and their secrets, which are never shown."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.sealing import open_sealed
from certificates.admin.presets import PRESETS
from certificates.models import Authority
from tests.ca import CertificateAuthority
from tests.pages import messages_of, sentences_of

pytestmark = pytest.mark.django_db(transaction=True)

WELL_KNOWN = "/admin/certificates/authority/well_known/"
ADD, LIST = "/admin/certificates/authority/add/", "/admin/certificates/authority/"


def form(**fields):
    data = {
        "name": "own",
        "directory_url": "https://127.0.0.1:9/dir",
        "enabled": "on",
        "position": 10,
        "max_names": 100,
        "accounts-TOTAL_FORMS": 0,
        "accounts-INITIAL_FORMS": 0,
    }
    return {**data, **fields}


def connection_test_of(authority):
    return reverse("admin:certificates_authority_test_connection", args=[authority.pk])


def page(authority):
    return f"{LIST}{authority.pk}/change/"


def test_an_empty_list_says_how_to_begin(admin_client, keyspace):
    assert "press “Well-known ones” to add one" in admin_client.get(LIST).content.decode()


def test_well_known_ones_are_added_with_their_addresses(admin_client, keyspace):
    text = admin_client.get(WELL_KNOWN).content.decode()
    for preset in PRESETS:
        assert f"?preset={preset.key}" in text
    filled = admin_client.get(f"{ADD}?preset=letsencrypt").content.decode()
    assert "https://acme-staging-v02.api.letsencrypt.org/directory" in filled
    answer = admin_client.post(ADD, form(name="letsencrypt", directory_url=PRESETS[0].directory_url))
    assert answer.status_code == 302, sentences_of(answer)
    assert "(there already)" in admin_client.get(WELL_KNOWN).content.decode()


def test_every_preset_would_be_valid(admin_client, keyspace):
    for preset in PRESETS:
        if preset.directory_url:
            Authority(
                name=preset.key, directory_url=preset.directory_url, staging_url=preset.staging_url
            ).full_clean()


def test_the_key_of_an_external_account_is_sealed_and_never_shown(admin_client, keyspace):
    answer = admin_client.post(ADD, form(eab_kid="kid-1", eab_secret=" zWNDZM6eQGHWpSRTPal5eIUYFTu7 "))
    assert answer.status_code == 302, sentences_of(answer)
    authority = Authority.objects.get()
    assert open_sealed(authority.eab_key, record="eab:own") == b"zWNDZM6eQGHWpSRTPal5eIUYFTu7"
    text = admin_client.get(page(authority)).content.decode()
    assert "bound to <code>kid-1</code>" in text
    assert "zWNDZM" not in text and authority.eab_key not in text
    # Saved without the key, it stays; without its id, it goes.
    admin_client.post(page(authority), form(eab_kid="kid-1"))
    assert Authority.objects.get().eab_key == authority.eab_key
    admin_client.post(page(authority), form(eab_kid=""))
    assert Authority.objects.get().eab_key == ""


def test_an_external_account_is_two_things(admin_client, keyspace):
    assert sentences_of(admin_client.post(ADD, form(eab_kid="kid-1"))) == [
        "An external account needs its HMAC key too."
    ]
    assert sentences_of(admin_client.post(ADD, form(eab_secret="x"))) == [
        "An external account needs its key id too."
    ]
    for cut in ("not base64 !!", "zWNDZ"):
        assert sentences_of(admin_client.post(ADD, form(eab_kid="kid-1", eab_secret=cut))) == [
            "This is no HMAC key (base64url: letters, digits, - and _): copy all of it."
        ]


def test_its_state_says_whether_it_is_asked(admin_client, keyspace):
    authority = Authority.objects.create(name="own", directory_url="https://127.0.0.1:9/dir")
    later = timezone.now() + timedelta(hours=1)
    for change, words in (
        ({}, "asked"),
        ({"failures": 1, "problem": "It has trouble."}, "asked; it has failed once: It has trouble"),
        ({"failures": 2, "problem": "It has trouble."}, "failed 2 times in a row: It has trouble"),
        ({"failures": 3, "open_until": later}, "not asked before"),
        (
            {"open_until": later - timedelta(hours=2)},
            "the next order tries it, and no other, after 3 failures in a row: It has trouble",
        ),
        ({"failures": 0, "open_until": None, "retry_after": later}, "wants to be left alone until"),
        ({"enabled": False}, "not asked"),
    ):
        Authority.objects.filter(pk=authority.pk).update(**change)
        assert words in admin_client.get(page(authority)).content.decode(), words
        assert admin_client.get(LIST).status_code == 200


def test_a_connection_that_fails_is_told(admin_client, keyspace):
    authority = Authority.objects.create(
        name="own", directory_url="https://127.0.0.1:9/dir", staging_url="https://169.254.169.254/dir"
    )
    production, staging = messages_of(
        admin_client.get(reverse("admin:certificates_authority_test_connection", args=[authority.pk]))
    )
    assert production.startswith("own: ") and "cannot be used" in production
    assert staging.startswith("own's staging: ") and "link-local" in staging


def test_a_connection_that_works_says_what_the_authority_can_and_wants(admin_client, keyspace, tmp_path):
    with CertificateAuthority(tmp_path) as ca:
        authority = Authority.objects.create(name="pebble", directory_url=ca.directory, trust=ca.trust)
        test = connection_test_of(authority)
        told = messages_of(admin_client.get(test))[-1]
        assert "pebble answers, and wants its terms to be agreed to" in told
        Authority.objects.update(terms_agreed=True)
        told = messages_of(admin_client.get(test))[-1]
        assert told.startswith("pebble answers (with")
        Authority.objects.update(trust="")
        assert "cannot be used" in messages_of(admin_client.get(test))[-1]
