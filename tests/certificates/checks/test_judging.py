"""Which certificates may be installed for which names."""

import subprocess

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from certificates.checks.errors import CertificateRefused
from certificates.checks.judging import Installed, judge
from certificates.checks.reading import read_pem
from tests.certificates.house import DAY, NOW, House, key_pem, make_certificate, new_key, pem, the_house

HOST = "www.example.com"


def material(*names, **more):
    return read_pem(*the_house().bundle(*names, **more))


def judged(read, *wanted, now=NOW, **more):
    return judge(read, now=now, wanted=wanted or [HOST], **more)


def refused(read, *wanted, **more):
    with pytest.raises(CertificateRefused) as caught:
        judged(read, *wanted, **more)
    return caught.value


def test_a_good_certificate_is_taken_without_a_word():
    assert judged(material(HOST)) == ()


def test_dates_are_looked_at_to_the_second():
    read = material(HOST, begin=NOW, end=NOW + 90 * DAY)
    assert judged(read) == ()
    assert "is not valid before" in str(refused(read, now=NOW - DAY / 86_400))
    assert "expired on" in str(refused(read, now=NOW + 90 * DAY))
    assert judged(read, now=NOW + 90 * DAY - DAY / 86_400)[0].startswith("It ends in 1 h")


def test_one_that_should_have_been_renewed_is_taken_with_a_warning():
    (warning,) = judged(material(HOST, begin=NOW - 70 * DAY, end=NOW + 20 * DAY + DAY / 24))
    assert warning == f"It ends in 20 days, on {NOW + 20 * DAY:%Y-%m-%d}: renew it soon."


def test_an_intermediate_that_has_expired_is_named():
    house, key = House("Old"), new_key()
    house.intermediate = make_certificate(
        "Old R1", key=house.key, issuer=house.root, issuer_key=house.root_key, ca=True, end=NOW - DAY
    )
    read = read_pem(*house.bundle(HOST, key=key))
    assert str(refused(read)).startswith("The intermediate “Old R1” expired on")


def test_every_name_of_the_domain_must_be_in_it_unless_somebody_confirms():
    read = material(HOST, "example.com")
    assert judged(read, HOST, "example.com") == ()
    error = refused(read, HOST, "shop.example.com")
    assert (error.field, error.confirmable) == ("names", True)
    assert "is not for shop.example.com" in str(error) and "example.com and www.example.com" in str(error)
    assert judged(read, HOST, "shop.example.com", confirmed=True) == (
        "The certificate is not for shop.example.com: clients are warned there.",
    )


def test_a_certificate_for_other_names_only_is_refused_whoever_confirms():
    error = refused(material("other.example"), confirmed=True)
    assert "for none of the domain's names" in str(error) and not error.confirmable


def test_a_wildcard_stands_for_one_label():
    read = material("*.example.com")
    assert judged(read, HOST, "*.example.com") == ()
    assert refused(read, HOST, "example.com").confirmable
    assert refused(read, HOST, "a.b.example.com").confirmable


def test_a_common_name_alone_is_no_name():
    error = refused(material(subject=HOST))
    assert error.field == "names" and f"common name (“{HOST}”)" in str(error)


def test_names_in_capitals_are_the_same_names():
    assert judged(material("WWW.Example.COM")) == ()


def test_a_certificate_that_is_not_for_servers_is_refused():
    client = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    staple = x509.TLSFeature([x509.TLSFeatureType.status_request])
    assert judged(material(HOST, extensions=[server])) == ()
    assert "is not for servers" in str(refused(material(HOST, extensions=[client])))
    assert "must-staple" in str(refused(material(HOST, extensions=[staple])))
    assert "precertificate" in str(refused(material(HOST, extensions=[x509.PrecertPoison()])))
    assert "of an authority" in str(refused(material(HOST, ca=True)))


def test_what_edges_would_not_take_is_refused_before_they_see_it():
    many = [f"n{number}.example.com" for number in range(1_001)]
    assert "has 1,001 names" in str(refused(material(*many), "n1.example.com"))
    long = [f"{'n' * 60}.{'n' * 60}.{'n' * 60}.n{number}.example.com" for number in range(260)]
    assert "characters" in str(refused(material(*long, subject="long"), long[0]))


def test_names_that_no_client_can_ask_for_are_left_out():
    assert material(HOST, "what ever.example", "a..example", "*.*.example").names == (HOST,)


def test_a_self_signed_certificate_is_taken_with_a_warning():
    key = new_key()
    read = read_pem(pem(make_certificate(HOST, key=key, names=[HOST], ca=True)), key_pem(key))
    assert "self-signed" in judged(read)[0]


def test_a_signature_with_sha_1_is_refused(tmp_path):
    words = "req -x509 -sha1 -newkey rsa:2048 -nodes -subj /CN=old -addext subjectAltName=DNS:www.example.com"
    files = ["-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"]
    subprocess.run(["openssl", *words.split(), *files], check=True, capture_output=True)
    read = read_pem((tmp_path / "cert.pem").read_bytes(), (tmp_path / "key.pem").read_bytes())
    assert "signed with SHA1" in str(refused(read))


def test_an_older_one_does_not_take_the_place_of_a_newer_one():
    old, new = material(HOST, begin=NOW - 50 * DAY, end=NOW + 40 * DAY), material(HOST)
    installed = Installed(new.fingerprint, new.not_before, new.not_after)
    error = refused(old, installed=installed)
    assert error.confirmable and "older than the one that is served" in str(error)
    assert len(judged(old, installed=installed, confirmed=True)) == 1
    assert judged(new, installed=installed) == ()


def test_one_of_a_shorter_life_that_was_issued_later_is_taken_with_a_warning():
    old = material(HOST, begin=NOW - 50 * DAY, end=NOW + 40 * DAY)
    before = Installed(old.fingerprint, old.not_before, old.not_after)
    (warning,) = judged(material(HOST, end=NOW + 36 * DAY), installed=before)
    assert warning == (
        f"It ends on {NOW + 36 * DAY:%Y-%m-%d}, before the one in whose place it comes "
        f"({NOW + 40 * DAY:%Y-%m-%d})."
    )
