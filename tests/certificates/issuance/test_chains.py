"""What is issued is read, and only what was ordered is taken."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from certificates.issuance.chains import ari_id, read_chain
from certificates.issuance.keys import generate_key, load_key, make_request

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def certificate(key, names, *, serial=4711, authority_key=None):
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Some CA")]))
        .public_key(load_key(key).public_key())
        .serial_number(serial)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
    )
    if authority_key:
        identifier = x509.AuthorityKeyIdentifier(authority_key, None, None)
        builder = builder.add_extension(identifier, critical=False)
    return builder.sign(load_key(key), hashes.SHA256())


def pem(found):
    return found.public_bytes(Encoding.PEM).decode()


@pytest.mark.parametrize("key_type", ["ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096"])
def test_a_request_of_each_kind_of_key_asks_for_the_names(key_type):
    key = generate_key(key_type)
    request = make_request(key, ["a.example", "*.b.example"])
    assert request.is_signature_valid
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.example", "*.b.example"]
    size = int(key_type.rpartition("-")[2].removeprefix("p"))
    assert request.public_key().key_size == size


def test_a_chain_for_our_key_and_names_is_read():
    key = generate_key("ecdsa-p256")
    chain = read_chain(
        pem(certificate(key, ["A.example", "b.example"], serial=255)), key=key, names=["a.example"]
    )
    assert chain.names == ("a.example", "b.example")
    assert chain.serial == "ff"
    short = pem(certificate(key, ["a.example"], serial=0xA17))
    assert read_chain(short, key=key, names=["a.example"]).serial == "0a17"  # as openssl prints it
    assert chain.issuer == "CN=Some CA"
    assert chain.not_after - chain.not_before == timedelta(days=90)


def test_a_certificate_for_another_key_or_without_a_name_or_none_at_all_is_refused():
    key, other = generate_key("ecdsa-p256"), generate_key("ecdsa-p256")
    issued = pem(certificate(key, ["a.example"]))
    with pytest.raises(ValueError, match="another key"):
        read_chain(issued, key=other, names=["a.example"])
    with pytest.raises(ValueError, match="lacks b.example"):
        read_chain(issued, key=key, names=["a.example", "b.example"])
    with pytest.raises(ValueError, match="no chain"):
        read_chain("<html>", key=key, names=["a.example"])


def test_the_ari_identifier_is_that_of_the_standard():
    # The example of RFC 9773 section 4.1.
    authority_key = bytes.fromhex("69885b6b87464041e1b37b847ba0ae2cde01c8d4")
    key = generate_key("ecdsa-p256")
    found = certificate(key, ["a.example"], serial=0x87654321, authority_key=authority_key)
    assert ari_id(found) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"
