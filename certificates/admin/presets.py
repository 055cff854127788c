"""Authorities that many people use, so that nobody has to look up their addresses.

A directory's address is part of the authority's documentation; `external_account` says that it takes only
accounts that its own site has made beforehand.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """What a new authority's form is filled with; `key` is its name there. `note`: what to know before."""

    key: str
    title: str
    directory_url: str
    staging_url: str = ""
    external_account: bool = False
    note: str = ""


PRESETS = [
    Preset(
        "letsencrypt",
        "Let's Encrypt",
        "https://acme-v02.api.letsencrypt.org/directory",
        "https://acme-staging-v02.api.letsencrypt.org/directory",
        note="Free, no account needed beforehand; has a staging environment and renewal information (ARI).",
    ),
    Preset(
        "google",
        "Google Trust Services",
        "https://dv.acme-v02.api.pki.goog/directory",
        "https://dv.acme-v02.test-api.pki.goog/directory",
        external_account=True,
        note="Free; the external account is made in a Google Cloud project.",
    ),
    Preset(
        "zerossl",
        "ZeroSSL",
        "https://acme.zerossl.com/v2/DV90",
        external_account=True,
        note="The external account is made on its site, under “Developer”.",
    ),
    Preset(
        "sslcom",
        "SSL.com",
        "https://acme.ssl.com/sslcom-dv-ecc",
        external_account=True,
        note="The external account is made on its site, under “API credentials”.",
    ),
    Preset("own", "Your own", "", note="Any authority that speaks ACME (RFC 8555), such as step-ca."),
]


def preset_of(key: str) -> Preset | None:
    """The preset of this key."""
    return next((preset for preset in PRESETS if preset.key == key), None)
