"""What people upload becomes a chain with its key, or a sentence that helps."""

import re
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12

from certificates.checks.chain import known_roots
from certificates.checks.errors import CertificateRefused
from certificates.checks.pem import LONGEST
from certificates.checks.reading import read_pem, read_pkcs12
from tests.certificates.house import House, key_pem, make_certificate, new_key, pem, the_house

HOST = "www.example.com"
FORMAT = serialization.PrivateFormat


@pytest.fixture(scope="module")
def key():
    return new_key()


@pytest.fixture(scope="module")
def leaf(key):
    return the_house().leaf(HOST, key=key)


def refused(read, *arguments, **more):
    """The field and sentence with which it is refused."""
    with pytest.raises(CertificateRefused) as caught:
        read(*arguments, **more)
    sentence = str(caught.value)
    assert sentence.endswith((".", "”.")) and "\n" not in sentence
    return caught.value.field, sentence


# -- chains -----------------------------------------------------------------------------------------


def test_a_chain_in_order_is_taken_as_it_is_without_its_root(key, leaf):
    house = the_house()
    read = read_pem(pem(leaf, house.intermediate, house.root), key_pem(key))
    assert read.chain == (leaf, house.intermediate)
    assert read.notes == ("The root “Test House Root” was left out: clients have it, or never trust it.",)
    assert (read.names, read.key_type, read.issuer) == ((HOST,), "ecdsa-p256", "Test House R1")
    assert read.pem.encode() == pem(leaf, house.intermediate)


def test_a_heap_of_certificates_is_put_in_order_and_strangers_are_left_out(key, leaf):
    house, stranger = the_house(), the_house().leaf("stranger.example", key=new_key())
    read = read_pem(pem(house.root, stranger, house.intermediate, leaf), key_pem(key))
    assert read.chain == (leaf, house.intermediate)
    assert "The certificates were put in order, the server's own first." in read.notes
    assert "Left out, as they do not belong to its chain: “stranger.example”." in read.notes


def test_a_missing_intermediate_is_named(key, leaf):
    field, sentence = refused(read_pem, pem(leaf), key_pem(key))
    assert field == "certificate"
    assert "The intermediate certificate “Test House R1” is missing" in sentence


def test_a_chain_that_ends_below_an_unknown_root_needs_the_root_unless_an_authority_sent_it(key, leaf):
    chain = pem(leaf, the_house().intermediate)
    assert "“Test House Root” is missing" in refused(read_pem, chain, key_pem(key))[1]
    assert len(read_pem(chain, key_pem(key), complete=False).chain) == 2


def test_a_chain_below_a_root_that_the_world_knows_is_complete_without_it(key, monkeypatch):
    from certificates.checks import chain

    house = House("Known")
    monkeypatch.setattr(chain, "known_roots", lambda: known_roots() | {house.root.subject.public_bytes()})
    read = read_pem(pem(house.leaf(HOST, key=key), house.intermediate), key_pem(key))
    assert read.notes == ()
    assert len(known_roots()) > 100


def test_an_intermediate_of_the_right_name_and_the_wrong_key_is_none(key, leaf):
    twin = House()  # the same names, other keys
    _, sentence = refused(read_pem, pem(leaf, twin.intermediate, twin.root), key_pem(key))
    assert "“Test House R1” is missing" in sentence


def test_a_leaf_cannot_stand_as_an_intermediate(key):
    house, above_key = the_house(), new_key()
    above = house.leaf("above.example", key=above_key)
    below = make_certificate(HOST, key=key, issuer=above, issuer_key=above_key, names=[HOST])
    assert "“above.example” is missing" in refused(read_pem, pem(below, above), key_pem(key))[1]


def test_of_two_certificates_with_one_key_the_later_one_is_meant(key, leaf):
    from tests.certificates.house import DAY, NOW

    old = the_house().leaf(HOST, key=key, end=NOW + DAY)
    read = read_pem(pem(old, leaf, the_house().intermediate, the_house().root), key_pem(key))
    assert read.leaf == leaf


def test_a_self_signed_certificate_is_its_own_chain(key):
    own = make_certificate(HOST, key=key, names=[HOST], ca=True)
    assert read_pem(pem(own), key_pem(key)).chain == (own,)


# -- forms ------------------------------------------------------------------------------------------


def test_key_and_chain_may_stand_in_one_file_with_text_around(key, leaf):
    house = the_house()
    text = b"Bag Attributes\n  friendlyName: x\n".join(
        [b"", key_pem(key), pem(leaf), pem(house.intermediate), pem(house.root)]
    )
    assert read_pem(text.replace(b"\n", b"\r\n")).chain == (leaf, house.intermediate)


def test_lines_that_were_indented_while_pasting_are_read(key, leaf):
    house = the_house()
    text = pem(leaf, house.intermediate, house.root).replace(b"\n", b"  \n   ")
    assert read_pem(text, b"\xef\xbb\xbf" + key_pem(key)).leaf == leaf


def test_der_and_pkcs7_are_read_too(key, leaf):
    house = the_house()
    der = leaf.public_bytes(serialization.Encoding.DER)
    key_der = key.private_bytes(serialization.Encoding.DER, FORMAT.PKCS8, serialization.NoEncryption())
    assert read_pem(der, key_der, complete=False).chain == (leaf,)
    every = [house.root, leaf, house.intermediate]
    for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER):
        packed = pkcs7.serialize_certificates(every, encoding)
        assert read_pem(packed, key_pem(key)).chain == (leaf, house.intermediate)


def test_pkcs12_is_read_with_its_password(key, leaf):
    house = the_house()
    for password in ("a pass wörd", ""):
        how = (
            serialization.BestAvailableEncryption(password.encode())
            if password
            else serialization.NoEncryption()
        )
        data = pkcs12.serialize_key_and_certificates(b"x", key, leaf, [house.root, house.intermediate], how)
        assert read_pkcs12(data, password=password).chain == (leaf, house.intermediate)


def test_pkcs12_is_refused_with_what_is_wrong(key, leaf):
    how = serialization.BestAvailableEncryption(b"right")
    data = pkcs12.serialize_key_and_certificates(b"x", key, leaf, None, how)
    assert refused(read_pkcs12, data, password="wrong") == (
        "password",
        "The password does not open the PKCS#12 file, or the file is damaged.",
    )
    assert refused(read_pkcs12, data)[1].startswith("The password is needed to open")
    assert "cut off" in refused(read_pkcs12, data[:-40], password="right")[1]
    assert "“Test House R1” is missing" in refused(read_pkcs12, data, password="right")[1]
    assert "This is PEM" in refused(read_pkcs12, pem(leaf))[1]
    assert "does not begin as DER" in refused(read_pkcs12, b"hello")[1]
    keyless = pkcs12.serialize_key_and_certificates(b"x", None, None, [leaf], how)
    assert "no private key" in refused(read_pkcs12, keyless, password="right")[1]


# -- keys -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [FORMAT.PKCS8, FORMAT.TraditionalOpenSSL])
@pytest.mark.parametrize("kind", ["ecdsa-p384", "rsa-2048"])
def test_keys_of_every_form_are_read_also_encrypted(form, kind):
    key = (
        ec.generate_private_key(ec.SECP384R1())
        if kind == "ecdsa-p384"
        else rsa.generate_private_key(65537, 2048)
    )
    bundle, plain = the_house().bundle(HOST, key=key)
    locked = key_pem(key, password="geheim", form=form)
    assert read_pem(bundle, key_pem(key, form=form)).key_type == kind
    assert read_pem(bundle, locked, password="geheim").key_der == read_pem(bundle, plain).key_der
    assert read_pem(bundle, plain, password="needless").key_type == kind
    assert refused(read_pem, bundle, locked) == (
        "password",
        "The private key is encrypted: enter its password.",
    )
    assert refused(read_pem, bundle, locked, password="falsch") == (
        "password",
        "The password does not open the private key.",
    )


def test_a_key_of_openssl_with_its_parameters_is_read(leaf, tmp_path):
    path = tmp_path / "key.pem"
    subprocess.run(["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-out", path], check=True)
    assert b"EC PARAMETERS" in path.read_bytes()
    field, sentence = refused(read_pem, pem(leaf), path.read_bytes())
    assert (field, "does not belong to the certificate of “www.example.com”" in sentence) == ("key", True)


def test_keys_that_nobody_should_serve_are_refused(leaf):
    weak = {
        rsa.generate_private_key(65537, 1024): "1024 bits",
        ec.generate_private_key(ec.SECP256K1()): "secp256k1",
        ec.generate_private_key(ec.SECP521R1()): "secp521r1",
        ed25519.Ed25519PrivateKey.generate(): "neither RSA nor ECDSA",
    }
    for key, why in weak.items():
        field, sentence = refused(read_pem, pem(leaf), key_pem(key))
        assert (field, why in sentence) == ("key", True), sentence


def test_what_is_no_private_key_is_called_by_its_name(key, leaf):
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    openssh = key.private_bytes(serialization.Encoding.PEM, FORMAT.OpenSSH, serialization.NoEncryption())
    for text, why in {
        public: "a public key",
        openssh: "ssh-keygen",
        pem(leaf): "its private key is needed",
        b"": "The private key is missing",
        b"abc": "cannot be read",
        b"\x30\x03abc": "cannot be read",
    }.items():
        field, sentence = refused(read_pem, pem(leaf), text)
        assert (field, why in sentence) == ("key", True), sentence


# -- broken -----------------------------------------------------------------------------------------


def test_what_is_cut_off_or_damaged_is_refused(key, leaf):
    text = pem(leaf, the_house().intermediate)
    for broken, why in {
        text[:-60]: "is cut off",
        text[:300]: "is cut off",
        text.replace(b"\n", b"\n?", 3): "is damaged",
        re.sub(rb"\n[A-Za-z0-9+/=]+\n-----END", b"\n-----END", text): "damaged or cut off",
        leaf.public_bytes(serialization.Encoding.DER)[:-1]: "cut off",
        b"-----BEGIN CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----": "cut off",
        b"hello": "This is no certificate",
        b"": "The certificate is missing",
        key_pem(key): "belongs into the other field",
        b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n": "signing request",
    }.items():
        field, sentence = refused(read_pem, broken, key_pem(key))
        assert (field, why in sentence) == ("certificate", True), sentence


def test_a_megabyte_is_not_even_looked_at(key, leaf):
    most = pem(leaf) + b"\n" * LONGEST
    for read in (
        read_pkcs12,
        lambda data: read_pem(data, key_pem(key)),
        lambda data: read_pem(pem(leaf), data),
    ):
        _, sentence = refused(read, most[:1] * 1024 * 1024)
        assert "1,024 KB" in sentence and "256 KB" in sentence
    assert "KB" in refused(read_pem, most, key_pem(key))[1]


def test_thousands_of_tiny_blocks_are_refused_soon(key, leaf):
    text = pem(leaf) * (LONGEST // len(pem(leaf)))
    assert "certificates in it" in refused(read_pem, text, key_pem(key))[1]
