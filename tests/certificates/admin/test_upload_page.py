"""Uploading in the portal and by command: what is wrong is said at its field, in one sentence."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.urls import reverse

from certificates.deployment import deploy
from certificates.management.commands.upload_certificate import PASSWORD
from certificates.models import Certificate, Enrollment
from cirrus_site.config import read_config
from tests.certificates.house import DAY, NOW, key_pem, new_key, the_house
from tests.factories import DomainFactory, HostNameFactory
from tests.pages import messages_of, sentences_of

pytestmark = pytest.mark.django_db(transaction=True)

HOST = "www.example.com"
ADD = "/admin/certificates/certificate/add/"


@pytest.fixture
def domain(keyspace):
    return DomainFactory(host=HOST, tls=True)


def uploads():
    return Certificate.objects.filter(source=Certificate.Source.UPLOAD)


def file(data, name="file.pem"):
    return SimpleUploadedFile(name, data)


def pasted(certificate, key=b"", **more):
    return {"certificate_text": certificate.decode(), "key_text": key.decode(), **more}


def test_a_pasted_certificate_is_installed_and_its_page_follows(admin_client, domain):
    there = admin_client.get(f"{ADD}?domain={domain.pk}").content.decode()
    assert HOST in there and "Upload a certificate" in there
    answer = admin_client.post(ADD, pasted(*the_house().bundle(HOST), domains=HOST))
    assert answer.status_code == 302, sentences_of(answer)
    assert answer.url == reverse("admin:domains_domain_change", args=[domain.pk])
    assert f"The certificate is on its way to the edges for {HOST}." in messages_of(answer)
    assert Enrollment.objects.get(domain=domain).candidate == uploads().get()


def test_what_is_served_already_is_not_on_its_way(admin_client, domain, tmp_path, capsys):
    certificate, key = the_house().bundle("*.example.com")
    admin_client.post(ADD, pasted(certificate, key, domains=HOST))
    deploy(Enrollment.objects.get(domain=domain).pk)
    DomainFactory(host="shop.example.com", tls=True)
    admin_client.get(ADD)  # shows what was told until now
    again = messages_of(admin_client.post(ADD, pasted(certificate, key, domains=HOST)))
    assert f"The certificate is served for {HOST} already." in again
    assert not any("on its way" in sentence for sentence in again)
    admin_client.get(ADD)
    both = messages_of(admin_client.post(ADD, pasted(certificate, key)))
    assert "The certificate is on its way to the edges for shop.example.com." in both
    assert f"The certificate is served for {HOST} already." in both

    (tmp_path / "chain.pem").write_bytes(certificate + key)
    call_command("upload_certificate", tmp_path / "chain.pem", domain=[HOST])
    assert capsys.readouterr().out.endswith(f": The certificate is served for {HOST} already.\n")


def test_files_are_taken_too_and_the_domains_found_by_their_names(admin_client, domain):
    other = DomainFactory(host="shop.example.com")
    certificate, key = the_house().bundle("*.example.com", "example.com")
    answer = admin_client.post(ADD, {"certificate_file": file(certificate), "key_file": file(key)})
    assert answer.status_code == 302, sentences_of(answer)
    told = messages_of(answer)
    assert "The certificate is on its way to the edges for shop.example.com and www.example.com." in told
    assert "shop.example.com does not serve HTTPS yet: tick “Serve HTTPS” there." in told
    rows = Enrollment.objects.filter(domain__in=[domain, other])
    assert {row.candidate for row in rows} == {uploads().get()}


def test_pkcs12_with_its_password(admin_client, domain):
    house, key = the_house(), new_key()
    data = pkcs12.serialize_key_and_certificates(
        b"x",
        key,
        house.leaf(HOST, key=key),
        [house.intermediate, house.root],
        serialization.BestAvailableEncryption(b" secret "),
    )
    wrong = admin_client.post(ADD, {"pkcs12_file": file(data), "password": "secret"})
    assert sentences_of(wrong) == ["The password does not open the PKCS#12 file, or the file is damaged."]
    answer = admin_client.post(ADD, {"pkcs12_file": file(data), "password": " secret "})
    assert answer.status_code == 302, sentences_of(answer)


def test_a_key_that_stands_among_the_certificates_is_not_shown_again(admin_client, domain):
    certificate, key = the_house().bundle(HOST)
    answer = admin_client.post(
        ADD, {"certificate_text": (certificate + key).decode(), "domains": "no.example"}
    )
    assert sentences_of(answer)
    assert "PRIVATE KEY" not in answer.content.decode()
    again = admin_client.post(ADD, {**pasted(certificate, key), "domains": "no.example"})
    assert "BEGIN CERTIFICATE" in again.content.decode()


def test_where_nothing_can_be_sealed_it_is_said(admin_client, domain, settings, tmp_path):
    (tmp_path / "file").touch()
    nowhere = {"sealing_keys": "", "var_dir": tmp_path / "file"}
    settings.CIRRUS = settings.CIRRUS.model_copy(update=nowhere)
    answer = admin_client.post(ADD, pasted(*the_house().bundle(HOST), domains=HOST))
    assert "There is no sealing key here" in sentences_of(answer)[0]


def wrong_uploads():
    house = the_house()
    certificate, key = house.bundle(HOST)
    other_key = key_pem(new_key())
    locked = key_pem(new_key(), password="geheim")
    expired = house.bundle(HOST, end=NOW - DAY)
    return {
        "expired": (pasted(*expired), "certificate_text", "The certificate expired on"),
        "mismatched": (pasted(certificate, other_key), "key_text", "does not belong to the certificate"),
        "encrypted": (pasted(certificate, locked), "password", "is encrypted: enter its password"),
        "truncated": (pasted(certificate[:500], key), "certificate_text", "is cut off"),
        "1 MB": (pasted(b"x" * 1024 * 1024, key), "certificate_text", "has 1,024 KB"),
        "1 MB file": ({"certificate_file": file(b"x" * 1024 * 1024)}, "certificate_file", "has 1,024 KB"),
        "nothing": ({}, "certificate_text", "The certificate is missing"),
        "keyless": (pasted(certificate), "key_text", "The private key is missing"),
        "other names": (pasted(*house.bundle("other.example"), domains=HOST), "domains", "for none of the"),
        "unknown": (pasted(certificate, key, domains="no.example"), "domains", "No domain has the name"),
        "nobody's": (pasted(*house.bundle("other.example")), "domains", "There is no domain of which"),
    }


@pytest.mark.parametrize("what", wrong_uploads())
def test_what_is_wrong_is_said_at_its_field_in_one_sentence(admin_client, domain, what):
    data, field, words = wrong_uploads()[what]
    answer = admin_client.post(ADD, data)
    errors = answer.context["adminform"].form.errors
    assert list(errors) == [field]
    ((sentence,),) = errors.values()
    assert words in sentence and sentence.endswith(".")
    assert not uploads().exists()
    assert "PRIVATE KEY-----" not in answer.content.decode()  # it is never shown again


def test_what_may_be_confirmed_is_installed_once_it_is(admin_client, domain):
    HostNameFactory(domain=domain, name="example.com")
    data = pasted(*the_house().bundle(HOST), domains=HOST)
    (sentence,) = sentences_of(admin_client.post(ADD, data))
    assert "is not for example.com" in sentence and "Tick “Yes, nevertheless”" in sentence
    assert admin_client.post(ADD, {**data, "confirmed": "on"}).status_code == 302


# -- the same by command ----------------------------------------------------------------------------


def test_the_commands_upload_export_and_revert(domain, tmp_path, capsys):
    paths = {}
    for name, days in (("first", 3), ("second", 2)):
        certificate, key = the_house().bundle(HOST, begin=NOW - days * DAY)
        paths[name] = tmp_path / f"{name}.pem"
        paths[name].write_bytes(certificate)
        (tmp_path / "key.pem").write_bytes(key)
        call_command("upload_certificate", paths[name], key=tmp_path / "key.pem")
        assert "is on its way to the edges for www.example.com" in capsys.readouterr().out
        deploy(Enrollment.objects.get(domain=domain).pk)
    call_command("export_certificate", HOST)
    chain = capsys.readouterr().out
    assert paths["second"].read_text().startswith(chain)
    call_command("revert_certificate", HOST)
    assert "until" in capsys.readouterr().out
    call_command("export_certificate", HOST)
    assert paths["first"].read_text().startswith(capsys.readouterr().out)


def test_the_command_reads_the_password_from_an_environment_that_our_settings_bear(
    domain, tmp_path, monkeypatch
):
    certificate, key = the_house().bundle(HOST)
    private = serialization.load_pem_private_key(key, None)
    sealed = serialization.BestAvailableEncryption(b"secret")
    (tmp_path / "chain.pem").write_bytes(certificate)
    (tmp_path / "key.pem").write_bytes(
        private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed)
    )
    monkeypatch.setenv(PASSWORD, "secret")
    call_command("upload_certificate", tmp_path / "chain.pem", key=tmp_path / "key.pem")

    assert Certificate.objects.filter(source=Certificate.Source.UPLOAD).count() == 1
    read_config({PASSWORD: "secret"})


def test_the_commands_say_what_is_wrong(domain, tmp_path):
    (tmp_path / "x.pem").write_text("x")
    for words, sentence in (
        (["upload_certificate", tmp_path / "x.pem"], "This is no certificate"),
        (["upload_certificate", tmp_path / "none.pem"], "cannot be read"),
        (["export_certificate", HOST], "has no certificate yet"),
        (["export_certificate", "no.example"], "No domain has the name"),
        (["revert_certificate", HOST], "no certificate before"),
    ):
        with pytest.raises(CommandError, match=sentence):
            call_command(*words)
