"""An authority of our own for the tests: a root, an intermediate, and leaves of every kind, good and bad."""

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


def name_of(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def make_certificate(
    subject,
    *,
    key,
    issuer=None,
    issuer_key=None,
    names=(),
    ca=False,
    begin=NOW - 10 * DAY,
    end=NOW + 80 * DAY,
    extensions=(),
):
    """A certificate for `key`, signed by `issuer_key`; without an issuer it is self-signed."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(name_of(subject))
        .issuer_name(issuer.subject if issuer else name_of(subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([*map(x509.DNSName, names)]), False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(issuer_key or key, hashes.SHA256())


class House:
    """`leaf(…)` issues below the intermediate; `chain` is what a server sends after it."""

    def __init__(self, name="Test House"):
        self.root_key, self.key = new_key(), new_key()
        years = {"begin": NOW - 400 * DAY, "end": NOW + 4000 * DAY}
        self.root = make_certificate(f"{name} Root", key=self.root_key, ca=True, **years)
        self.intermediate = make_certificate(
            f"{name} R1", key=self.key, issuer=self.root, issuer_key=self.root_key, ca=True, **years
        )

    def leaf(self, *names, key, **more):
        """A certificate for these names."""
        subject = more.pop("subject", names[0] if names else "nobody")
        return make_certificate(
            subject, key=key, issuer=self.intermediate, issuer_key=self.key, names=names, **more
        )

    def bundle(self, *names, key=None, rooted=True, **more):
        """(PEM of a full chain, PEM of its key) for these names."""
        key = key or new_key()
        above = [self.intermediate, self.root] if rooted else [self.intermediate]
        return pem(self.leaf(*names, key=key, **more), *above), key_pem(key)


@cache
def the_house():
    """One for all tests that do not need their own."""
    return House()


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def pem(*certificates):
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)


def key_pem(key, *, password="", form=serialization.PrivateFormat.PKCS8):
    encryption = (
        serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    )
    return key.private_bytes(serialization.Encoding.PEM, form, encryption)
