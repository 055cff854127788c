"""The forms of the portal for certificates and authorities. What is secret goes in, and never comes back."""

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldBooleanSwitchWidget,
)

from accounts.errors import SealingKeyMissing
from certificates.checks.apart import read_pem_apart, read_pkcs12_apart
from certificates.checks.errors import CertificateRefused
from certificates.checks.material import Material
from certificates.checks.pem import LONGEST, require_size
from certificates.deployment.uploading import Uploaded, certificate_upload, domain_of, domains_covered
from certificates.issuance.revocation import REASONS
from certificates.models import Authority, Certificate
from certificates.services.external_accounts import external_account_problem
from domains.models import Domain

#: What people read of the reasons of RFC 5280 section 5.3.1.
REASON_WORDS = {
    "unspecified": "No reason is given",
    "keyCompromise": "Somebody else may have the private key",
    "affiliationChanged": "The names belong to somebody else now",
    "superseded": "Another certificate has taken its place",
    "cessationOfOperation": "The site is closed",
}


class SecretTextarea(UnfoldAdminTextareaWidget):
    """A field for a secret: what was entered is not shown again, whatever is wrong with the form."""

    def format_value(self, value: Any) -> str:
        return ""


class CertificateTextarea(UnfoldAdminTextareaWidget):
    """A field for certificates, in which a private key may stand too: then it is not shown again either."""

    def format_value(self, value: Any) -> str:
        return "" if "PRIVATE KEY" in str(value or "") else str(value or "")


class UploadForm(forms.ModelForm):  # type: ignore[type-arg]
    """A certificate that was got elsewhere: PEM (pasted or as files) or PKCS#12."""

    domains = forms.CharField(
        label="Domains",
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Their host names, one a line. Empty: every domain of which it has all names.",
    )
    certificate_text = forms.CharField(
        label="Certificate and chain (PEM)",
        required=False,
        strip=False,
        widget=CertificateTextarea(attrs={"rows": 6, "spellcheck": "false", "autocomplete": "off"}),
        help_text="In any order; the root is left out. The private key may stand in it too.",
    )
    certificate_file = forms.FileField(
        label="or its file", required=False, widget=UnfoldAdminFileFieldWidget(), help_text="PEM or DER."
    )
    key_text = forms.CharField(
        label="Private key (PEM)",
        required=False,
        strip=False,
        widget=SecretTextarea(attrs={"rows": 4, "spellcheck": "false", "autocomplete": "off"}),
        help_text="It is sealed before it is stored, and never shown again.",
    )
    key_file = forms.FileField(label="or its file", required=False, widget=UnfoldAdminFileFieldWidget())
    pkcs12_file = forms.FileField(
        label="or all of it as PKCS#12",
        required=False,
        widget=UnfoldAdminFileFieldWidget(),
        help_text="A .p12 or .pfx file.",
    )
    password = forms.CharField(
        label="Password",
        required=False,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text="Of the private key or the PKCS#12 file, where it has one.",
    )
    confirmed = forms.BooleanField(
        label="Yes, nevertheless",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Also where it is older than what is served, or lacks names of a domain.",
    )

    class Meta:
        model = Certificate
        fields: list[str] = []

    uploaded: Uploaded

    def clean(self) -> dict[str, Any]:
        """Install it, if all is right: whether it may be is known only by judging it."""
        data: dict[str, Any] = super().clean() or {}
        if self.errors:
            return data
        try:
            material = self._material(data)
            self.uploaded = certificate_upload(
                material=material,
                domains=self._domains(data["domains"], material),
                confirmed=data["confirmed"],
            )
        except CertificateRefused as error:
            more = " Tick “Yes, nevertheless” to install it all the same." if error.confirmable else ""
            self.add_error(self._field(error.field, data), f"{error}{more}")
        except SealingKeyMissing as error:
            self.add_error(None, str(error))
        return data

    def save(self, commit: bool = True) -> Certificate:
        """The certificate: it is saved already."""
        return self.uploaded.certificate

    def save_m2m(self) -> None:
        """Nothing is left to save."""

    def _material(self, data: dict[str, Any]) -> Material:
        password = data["password"]
        if data["pkcs12_file"]:
            return read_pkcs12_apart(file_bytes(data["pkcs12_file"], "The PKCS#12 file"), password=password)
        certificate = self._bytes(data, "certificate", "The certificate")
        return read_pem_apart(certificate, self._bytes(data, "key", "The private key"), password=password)

    def _bytes(self, data: dict[str, Any], part: str, what: str) -> bytes:
        if data[f"{part}_file"]:
            return file_bytes(data[f"{part}_file"], what, field=part)
        return str(data[f"{part}_text"]).encode()

    def _domains(self, text: str, material: Material) -> list[Domain]:
        hosts = text.split()
        if not hosts:
            found = domains_covered(material)
            if not found:
                raise CertificateRefused("There is no domain of which it has all names.", field="domains")
            return found
        return list(dict.fromkeys(map(domain_of, hosts)))

    def _field(self, field: str, data: dict[str, Any]) -> str:
        if field in ("names", "domains"):
            return "domains"
        if field == "password":
            return "password"
        if data["pkcs12_file"]:
            return "pkcs12_file"
        part = "key" if field == "key" else "certificate"
        return f"{part}_file" if data[f"{part}_file"] else f"{part}_text"


class RevokeForm(forms.Form):
    """Why a certificate is revoked, and whether another is wanted."""

    reason = forms.ChoiceField(
        choices=[(name, REASON_WORDS.get(name, name)) for name in REASONS],
        initial="unspecified",
        widget=UnfoldAdminSelectWidget(),
    )
    reissue = forms.BooleanField(
        label="Have another one issued at once",
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget,
        help_text=(
            "With a new key. The revoked one is served until the new one has taken its place. Without this "
            "none is ordered until somebody asks for one, and an alarm says so."
        ),
    )


class AuthorityForm(forms.ModelForm):  # type: ignore[type-arg]
    """An authority. Its HMAC key is entered, and never shown."""

    eab_secret = forms.CharField(
        label="HMAC key",
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text="Of the external account, as the authority shows it (base64url). Empty: as it is.",
    )

    class Meta:
        model = Authority
        exclude = ["eab_key"]  # noqa: DJ006  # the admin's fieldsets name every field

    def clean(self) -> dict[str, Any]:
        """An external account is a key id and a key, or neither."""
        data: dict[str, Any] = super().clean() or {}
        kid, entered = data.get("eab_kid", ""), data.get("eab_secret", "")
        has_key = bool(entered or (kid and self.instance.eab_key))
        fields = {"eab_kid": "eab_kid", "eab_key": "eab_secret"}
        for field, sentence in external_account_problem(kid=kid, key=has_key, entered=entered).items():
            self.add_error(fields[field], sentence)
        return data


def file_bytes(upload: "UploadedFile[Any]", what: str, *, field: str = "certificate") -> bytes:
    """The content of an uploaded file; one that is far too long is not read."""
    require_size(upload.size or 0, what=what, field=field)
    return bytes(upload.read(LONGEST + 1))
