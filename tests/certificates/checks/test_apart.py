"""What strangers upload is read in another process, and is the same there; but it may not take for ever."""

import subprocess
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from certificates.checks import apart
from certificates.checks.apart import read_pem_apart, read_pkcs12_apart
from certificates.checks.errors import CertificateRefused
from certificates.checks.reading import read_pem
from tests.certificates.house import key_pem, new_key, pem, the_house

HOST = "www.example.com"


@pytest.fixture(scope="module")
def key():
    return new_key()


@pytest.fixture(scope="module")
def leaf(key):
    return the_house().leaf(HOST, key=key)


def packed(folder, key, leaf):
    """A PKCS#12 file with the password `secret`, as openssl makes it."""
    house = the_house()
    (folder / "all.pem").write_bytes(pem(leaf, house.intermediate, house.root) + key_pem(key))
    command = ["openssl", "pkcs12", "-export", "-in", folder / "all.pem", "-passout", "pass:secret"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def test_it_comes_to_the_same_as_reading_it_here(key, leaf, tmp_path):
    heap = pem(the_house().root, the_house().intermediate, leaf)
    here, there = read_pem(heap, key_pem(key)), read_pem_apart(heap, key_pem(key))

    assert there.chain == here.chain
    assert (there.key_der, there.notes) == (here.key_der, here.notes)
    assert read_pkcs12_apart(packed(tmp_path, key, leaf), password="secret").key_der == here.key_der


def test_an_rsa_key_comes_back_whole():
    key = rsa.generate_private_key(65_537, 2048)
    house = the_house()
    read = read_pem_apart(pem(house.leaf(HOST, key=key), house.intermediate, house.root), key_pem(key))

    assert read.key.private_numbers() == key.private_numbers()


def test_a_refusal_keeps_its_sentence_and_its_field(key, leaf, tmp_path):
    with pytest.raises(CertificateRefused, match="password does not open") as caught:
        read_pkcs12_apart(packed(tmp_path, key, leaf), password="wrong")
    assert caught.value.field == "password"
    with pytest.raises(CertificateRefused, match="does not belong") as caught:
        read_pem_apart(pem(leaf), key_pem(new_key()))
    assert caught.value.field == "key"


def test_a_password_with_so_many_rounds_that_they_take_for_ever_is_refused(leaf, monkeypatch):
    monkeypatch.setattr(apart, "WORK", 1)
    began = time.monotonic()

    with pytest.raises(CertificateRefused, match="takes more than 1 s of work"):
        read_pem_apart(pem(leaf), encrypted_key(rounds=2**31 - 1), password="secret")
    assert time.monotonic() - began < 20


def encrypted_key(*, rounds):
    """An encrypted private key (PKCS#8 with PBES2, RFC 8018) that claims so many rounds."""
    aes, pbes2, pbkdf2 = "60864801650304012a", "2a864886f70d01050d", "2a864886f70d01050c"
    salted = der(0x30, der(4, b"salt" * 2), der(2, rounds.to_bytes(4, "big")))
    derived = der(0x30, der(6, bytes.fromhex(pbkdf2)), salted)
    cipher = der(0x30, der(6, bytes.fromhex(aes)), der(4, bytes(16)))
    scheme = der(0x30, der(6, bytes.fromhex(pbes2)), der(0x30, derived, cipher))
    return der(0x30, scheme, der(4, bytes(64)))


def der(tag, *parts):
    """Tag, length and content (X.690), for up to 255 bytes."""
    content = b"".join(parts)
    length = bytes([len(content)]) if len(content) < 128 else bytes([0x81, len(content)])
    return bytes([tag]) + length + content


def test_a_certificate_of_which_a_part_makes_no_sense_is_refused(key):
    names = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x30\x05abc")
    broken = the_house().leaf(key=key, extensions=[names])

    for read in (read_pem, read_pem_apart):
        with pytest.raises(CertificateRefused, match="damaged"):
            read(broken.public_bytes(serialization.Encoding.DER), key_pem(key))
