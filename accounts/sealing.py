"""Secrets at rest: sealed with AES-256-GCM, so that a copy of SQL or of Redis tells none of them.

    sealed = seal(b"the secret", record="tsig:edge-key.")    # "main:3q2-7w…", a text
    open_sealed(sealed, record="tsig:edge-key.")             # b"the secret"

A sealed text is `KEY ID:BASE64URL(nonce of 12 bytes, ciphertext, tag of 16 bytes)`. The record's name
is associated data: a text that is copied into another record does not open there. Keys come from
CIRRUS_SEALING_KEYS, `ID:BASE64` of 32 bytes each; the first seals, all of them open, so a key is changed
by adding one in front and sealing everything again (`manage.py rotate_sealing_key`).

There are two rings with the same IDs. What edges have to open is sealed in theirs, whose keys are derived
from the others: an edge is given only those, and can open neither accounts nor the secrets of name servers.
"""

import base64
import binascii
import os
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from accounts.errors import NotOpened, SealingKeyMissing

NONCE = 12

#: Who opens it: the control plane alone, or the edges as well.
Ring = Literal["control", "edges"]


def edges_key(key: bytes) -> bytes:
    """The key of the edges' ring that belongs to this one (HKDF-SHA256, RFC 5869): 32 bytes, no way back."""
    return HKDF(SHA256(), length=32, salt=b"", info=b"cirrus edges").derive(key)


def edges_ring() -> dict[str, bytes]:
    """Key ID → key of the edges' ring, the one that seals first; empty where there are no keys here.

    On the machine of an edge alone they come from CIRRUS_EDGE_KEYS.
    """
    if given := settings.CIRRUS.edge_ring():
        return given
    return {key_id: edges_key(key) for key_id, key in settings.CIRRUS.sealing_ring().items()}


def seal(secret: bytes, *, record: str, ring: Ring = "control") -> str:
    """Seal `secret` for the record of this name.

    Where no key is configured, this installation's own is made (`var/secrets/sealing_key`). Raises
    `SealingKeyMissing` where that cannot be written.
    """
    try:
        key_id, key = next(iter(settings.CIRRUS.sealing_ring(make=True).items()))
    except (OSError, StopIteration) as error:
        raise SealingKeyMissing from error
    nonce = os.urandom(NONCE)
    sealed = nonce + AESGCM(_of_ring(key, ring)).encrypt(nonce, secret, record.encode())
    return f"{key_id}:{base64.urlsafe_b64encode(sealed).decode()}"


def open_sealed(text: str, *, record: str, ring: Ring = "control") -> bytes:
    """The secret that was sealed for this record. Raises `SealingKeyMissing` or `NotOpened`."""
    key_id, _, encoded = text.partition(":")
    key = settings.CIRRUS.sealing_ring().get(key_id)
    if key is None:
        raise SealingKeyMissing(key_id)
    try:
        sealed = base64.urlsafe_b64decode(encoded)
        return AESGCM(_of_ring(key, ring)).decrypt(sealed[:NONCE], sealed[NONCE:], record.encode())
    except (InvalidTag, ValueError, binascii.Error) as error:
        raise NotOpened(record) from error


def newest_key() -> str:
    """The ID of the key that seals now, or "" where there is none."""
    return next(iter(settings.CIRRUS.sealing_ring()), "")


def _of_ring(key: bytes, ring: Ring) -> bytes:
    return edges_key(key) if ring == "edges" else key
