"""Record values: parsed by dnspython, and stored in one form. Pure.

    normalize_value("MX", "10 Mail.Example.com")  →  "10 mail.example.com."

Names in values are always whole, whether or not a final dot was typed, and always stored with one.
"""

from collections.abc import Callable

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from django.core.exceptions import ValidationError

from dnszones.names import encode_name

#: Bytes in one string of a TXT record (RFC 1035 section 3.3).
TXT_STRING = 255
#: Bytes in a whole record value that any transport carries without trouble.
MOST_BYTES = 8_000

EXAMPLES = {
    "A": "192.0.2.1",
    "AAAA": "2001:db8::1",
    "CNAME": "www.example.com",
    "TXT": "v=spf1 -all",
    "MX": "10 mail.example.com",
    "CAA": '0 issue "letsencrypt.org"',
}


def normalize_value(rtype: str, text: str) -> str:
    """The canonical presentation form. Raises `ValidationError` with a sentence that has an example."""
    typed = text.strip()
    if "\n" in typed or "\r" in typed or "\0" in typed:
        raise ValidationError("A value is one line.")
    prepared = PREPARED[rtype](typed) if rtype in PREPARED else typed
    try:
        rdata = dns.rdata.from_text(
            dns.rdataclass.IN,
            dns.rdatatype.from_text(rtype),
            prepared,
            origin=dns.name.root,
            relativize=False,
        )
        wire = rdata.to_wire() or b""
    except (dns.exception.DNSException, ValueError, IndexError, OverflowError) as error:
        # from_text of dnspython raises ValueError for what its own checks do not foresee
        raise ValidationError(_refusal(rtype, typed)) from error
    if len(wire) > MOST_BYTES:
        raise ValidationError(f"A value has at most {MOST_BYTES:,} bytes; this one has {len(wire):,}.")
    return rdata.to_text(want_origin=False, relativize=False)


def _refusal(rtype: str, typed: str) -> str:
    shown = typed if len(typed) <= 60 else typed[:60] + "…"
    article = "an" if rtype[0] in "AM" else "a"
    return f"“{shown}” is not a value of {article} {rtype} record; one looks like this: {EXAMPLES[rtype]}"


def _whole_name(typed: str) -> str:
    """A name as a target: absolute, in A-labels."""
    if typed.strip() == ".":
        return "."
    name = encode_name(typed, wildcard=False)
    if "." not in name and not typed.strip().endswith("."):
        raise ValidationError(f"“{typed}”: write the whole name, for example {name}.example.com.")
    if name.rpartition(".")[2].isdigit():
        raise ValidationError(f"“{typed}” is an address or a number; the name of a host is needed here.")
    return name + "."


def _cname(typed: str) -> str:
    target = _whole_name(typed)
    if target == ".":
        raise ValidationError("A CNAME record needs the name that it points at.")
    return target


def _mx(typed: str) -> str:
    preference, _, target = typed.partition(" ")
    if not preference.isdecimal() or not target.strip():
        raise ValidationError(_refusal("MX", typed))
    return f"{preference} {_whole_name(target)}"


def _txt(typed: str) -> str:
    """What does not begin with a quote is one text, whatever is in it; UTF-8, cut into strings."""
    if typed.startswith('"'):
        return typed
    if not typed:
        raise ValidationError(_refusal("TXT", typed))
    data = typed.encode()
    strings = [data[start : start + TXT_STRING] for start in range(0, len(data), TXT_STRING)]
    return " ".join(f'"{_escape(string)}"' for string in strings)


def _escape(string: bytes) -> str:
    return "".join(
        f"\\{chr(byte)}" if byte in b'"\\' else chr(byte) if 32 <= byte < 127 else f"\\{byte:03d}"
        for byte in string
    )


PREPARED: dict[str, Callable[[str], str]] = {"CNAME": _cname, "MX": _mx, "TXT": _txt}
