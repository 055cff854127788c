"""PEM texts (RFC 7468) as blocks: what people paste, with all that editors and mail programs do to it."""

import base64
import binascii
import re
from dataclasses import dataclass

from certificates.checks.errors import CertificateRefused

#: Bytes of a file or a field; a chain with its key has under 20 KB. Nothing longer is even looked at.
LONGEST = 256 * 1024

_BEGIN = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----")


@dataclass(frozen=True)
class Block:
    """One block. `text`: as it was, from its BEGIN to its END; `der` is decoded, unless it is an old
    encrypted key, whose headers say how."""

    label: str
    text: str
    der: bytes


def require_size(size: int, *, what: str, field: str = "certificate") -> None:
    """Refuse so many bytes where they are too many to be what they should be."""
    if size > LONGEST:
        raise CertificateRefused(
            f"{what} has {size // 1024:,} KB; more than {LONGEST // 1024} KB are not read, and a "
            "certificate with its chain has a few: choose the right file.",
            field=field,
        )


def is_pem(data: bytes) -> bool:
    """Whether it looks like PEM rather than DER."""
    return b"-----BEGIN " in data


def blocks(data: bytes, *, field: str = "certificate") -> list[Block]:
    """The blocks in their order; what stands between them is left out.

    Raises `CertificateRefused` where one is cut off or damaged.
    """
    text = data.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")
    found: list[Block] = []
    position = 0
    while begin := _BEGIN.search(text, position):
        label, end = begin.group(1), f"-----END {begin.group(1)}-----"
        stop = text.find(end, begin.end())
        following = _BEGIN.search(text, begin.end())
        if stop < 0 or (following and following.start() < stop):
            raise CertificateRefused(
                f"The {_named(label, len(found))} is cut off: the line “{end}” is missing. Copy all of it.",
                field=field,
            )
        position = stop + len(end)
        found.append(_block(label, text[begin.start() : position], len(found), field))
    return found


def _block(label: str, text: str, number: int, field: str) -> Block:
    body = "\n".join(line.strip() for line in text.split("\n")[1:-1])
    if "\n\n" in body or ":" in body.partition("\n")[0]:  # Proc-Type, DEK-Info, or Bag Attributes
        return Block(label, text, b"")
    try:
        der = base64.b64decode("".join(body.split()), validate=True)
    except binascii.Error as error:
        raise CertificateRefused(
            f"The {_named(label, number)} is damaged: between BEGIN and END stands something that is no "
            "base64. Copy it again from its file.",
            field=field,
        ) from error
    return Block(label, "\n".join(line.strip() for line in text.split("\n")) + "\n", der)


def _named(label: str, number: int) -> str:
    return f"{number + 1}. block ({label})"
