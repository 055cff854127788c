"""What can go wrong with secrets, tokens and rights."""

from cirrus_site.errors import CirrusError


class SealingKeyMissing(CirrusError):
    """Something is to be sealed or opened, and the key for it is not here."""

    def __init__(self, key_id: str = "") -> None:
        self.key_id = key_id
        which = f"The sealing key “{key_id}” is not here" if key_id else "There is no sealing key here"
        super().__init__(f"{which}; CIRRUS_SEALING_KEYS must have every key that a secret was sealed with.")


class NotOpened(CirrusError):
    """A sealed secret was damaged, belongs to another record, or was sealed with another key of that ID."""

    def __init__(self, record: str) -> None:
        self.record = record
        super().__init__(
            f"The secret of {record} cannot be opened: it was damaged, copied from elsewhere, or sealed with "
            "another key than CIRRUS_SEALING_KEYS has under its ID. Give it a new one."
        )


class TokenTooWide(CirrusError):
    """A token would be allowed more than whoever makes it; the sentence says what."""

    forbidden = True


class TokenEnded(CirrusError):
    """A token that is over cannot be rotated."""

    def __init__(self, name: str, why: str) -> None:
        self.name, self.why = name, why
        super().__init__(f"The token “{name}” cannot be rotated: it is {why}. Make a new one.")


class RightsTooWide(CirrusError):
    """Somebody would hand out rights, or touch somebody with rights, that they have not themselves."""

    forbidden = True
