"""The root of every error that Cirrus raises on purpose.

Each subclass carries its data, prints one sentence that an operator can act on, and says whether
trying again may help. Errors of foreign libraries are translated in the module that owns the library.
"""


class CirrusError(Exception):
    """Something that an operator should read. `str(error)` is one whole sentence."""

    #: True where the same call would fail again until somebody changes something.
    permanent = True


class ConfigurationError(CirrusError):
    """The environment, `.env` or a secret file says something that Cirrus cannot run with."""
