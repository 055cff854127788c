"""Sealed secrets open with their key and for their record, and in no other way."""

import base64
import hmac
import stat

import pytest
from django.conf import settings
from django.test import override_settings

from accounts.errors import NotOpened, SealingKeyMissing
from accounts.sealing import edges_key, edges_ring, newest_key, open_sealed, seal
from cirrus_site.config import read_config


def key(byte):
    return base64.b64encode(bytes([byte]) * 32).decode()


def keys(text):
    return override_settings(CIRRUS=settings.CIRRUS.model_copy(update={"sealing_keys": text}))


def test_a_secret_opens_again_and_never_looks_the_same_twice():
    with keys(f"main:{key(1)}"):
        first, second = (seal(b"the secret", record="tsig:a") for _ in range(2))
        assert first != second
        assert first.startswith("main:")
        assert "secret" not in first
        assert open_sealed(first, record="tsig:a") == open_sealed(second, record="tsig:a") == b"the secret"


def test_a_secret_does_not_open_for_another_record_or_when_a_character_differs():
    with keys(f"main:{key(1)}"):
        sealed = seal(b"the secret", record="tsig:a")
        for text in (sealed[:-6] + "AAAAA=", "main:", "main:%%%", "main:AAAA"):
            with pytest.raises(NotOpened, match="tsig:a cannot be opened"):
                open_sealed(text, record="tsig:a")
        with pytest.raises(NotOpened):
            open_sealed(sealed, record="tsig:b")


def test_the_first_key_seals_and_all_of_them_open():
    with keys(f"old:{key(1)}"):
        sealed = seal(b"x", record="r")
    with keys(f"new:{key(2)},old:{key(1)}"):
        assert open_sealed(sealed, record="r") == b"x"
        assert newest_key() == "new"
        assert seal(b"x", record="r").startswith("new:")
    with keys(f"new:{key(2)}"), pytest.raises(SealingKeyMissing, match="The sealing key “old” is not here"):
        open_sealed(sealed, record="r")
    with keys(f"old:{key(3)}"), pytest.raises(NotOpened):
        open_sealed(sealed, record="r")


def test_the_first_secret_makes_a_key_that_only_its_owner_can_read(tmp_path):
    own = settings.CIRRUS.model_copy(update={"sealing_keys": "", "var_dir": tmp_path})
    with override_settings(CIRRUS=own):
        with pytest.raises(SealingKeyMissing):
            open_sealed("main:AAAA", record="r")
        assert list(tmp_path.iterdir()) == []  # opening makes none
        assert open_sealed(seal(b"x", record="r"), record="r") == b"x"
    [file] = (tmp_path / "secrets").iterdir()
    assert file.name == "sealing_key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert own.sealing_ring() == own.sealing_ring(make=True)


def test_keys_come_from_a_file(tmp_path):
    (tmp_path / "keys").write_text(f"a:{key(1)}\nb:{key(2)}\n")
    config = read_config({"CIRRUS_SEALING_KEYS_FILE": str(tmp_path / "keys")})
    assert config.sealing_ring() == {"a": b"\1" * 32, "b": b"\2" * 32}


def test_what_is_sealed_for_the_edges_opens_with_their_keys_which_open_nothing_else():
    with keys(f"new:{key(2)},old:{key(1)}"):
        ours = seal(b"ours", record="r")
        theirs = seal(b"theirs", record="r", ring="edges")
        assert open_sealed(theirs, record="r", ring="edges") == b"theirs"
        with pytest.raises(NotOpened):
            open_sealed(theirs, record="r")
        ring = edges_ring()
    assert list(ring) == ["new", "old"]
    # An edge that took its own keys for those of the control plane:
    with keys(",".join(f"{name}:{base64.b64encode(value).decode()}" for name, value in ring.items())):
        with pytest.raises(NotOpened):
            open_sealed(ours, record="r")
        assert open_sealed(theirs, record="r") == b"theirs"


def test_the_keys_of_the_edges_are_derived_as_rfc_5869_says():
    """Written out with HMAC alone, as whoever opens them elsewhere would."""
    secret = bytes([7]) * 32
    extracted = hmac.digest(bytes(32), secret, "sha256")
    assert edges_key(secret) == hmac.digest(extracted, b"cirrus edges\x01", "sha256")
