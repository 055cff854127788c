"""What can be stored of certificates, and what a domain accepts about HTTPS."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models
from django.utils import timezone

from certificates import models as certificate_models
from certificates.models import Authority, Certificate, Enrollment, Order
from domains.models import Domain
from tests.certificates.house import key_pem, new_key, pem, the_house
from tests.certificates.made import enroll, made_certificate, secured_domain, serve
from tests.factories import DomainFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("keyspace")]

ROOT = pem(the_house().root).decode()


def authority(**fields):
    return Authority(name="ca", directory_url="https://ca.example/dir", **fields)


# -- what belongs together -----------------------------------------------------------------------------


def test_an_enrollment_has_one_open_order_and_as_many_ended_ones_as_one_likes():
    ca = authority()
    ca.save()
    enrollment = enroll(DomainFactory())
    first = Order.objects.create(enrollment=enrollment, authority=ca)
    with pytest.raises(IntegrityError):
        Order.objects.create(enrollment=enrollment, authority=ca)
    first.ended_at = timezone.now()
    first.save()
    Order.objects.create(enrollment=enrollment, authority=ca)
    Order.objects.create(enrollment=enrollment, authority=ca, ended_at=timezone.now())


def test_a_certificate_that_is_served_or_tried_cannot_be_deleted_alone():
    domain = secured_domain()
    current = Certificate.objects.get(pk=domain.enrollment.current_id)
    candidate = made_certificate(domain)
    serve(domain, current, candidate=candidate, node="edge-1")
    for certificate in (current, candidate):
        with pytest.raises(models.RestrictedError):
            certificate.delete()
    serve(domain, candidate)
    current.delete()
    domain.delete()
    assert not Certificate.objects.exists()
    assert not Enrollment.objects.exists()


def test_an_authority_can_go_and_what_it_has_issued_stays():
    ca = authority()
    ca.save()
    domain = secured_domain()
    enrollment = Enrollment.objects.get(domain=domain)
    Order.objects.create(enrollment=enrollment, authority=ca)
    Certificate.objects.update(authority=ca)
    ca.delete()
    assert not Order.objects.exists()
    assert Enrollment.objects.get().current.authority is None


def test_no_form_has_a_field_for_a_key():
    for name in certificate_models.__all__:
        model = getattr(certificate_models, name)
        if not hasattr(model, "_meta"):
            continue
        for field in model._meta.get_fields():
            if field.name in ("key", "eab_key"):
                assert not field.editable, f"{name}.{field.name}"


# -- authorities ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"directory_url": "http://ca.example/dir"}, "directory_url", "https"),
        ({"staging_url": "ftp://ca.example/dir"}, "staging_url", "https"),
        ({"staging_url": "https://ca.example/dir"}, "staging_url", "the directory itself"),
        ({"name": "Let's Encrypt"}, "name", "lower-case letters"),
        ({"trust": "nothing"}, "trust", "These are no certificates"),
        ({"max_names": 0}, "max_names", "greater than or equal to 1"),
    ],
)
def test_an_authority_that_cannot_be_asked_is_refused(fields, field, says):
    ca = authority()
    for name, value in fields.items():
        setattr(ca, name, value)
    with pytest.raises(ValidationError) as refused:
        ca.full_clean()
    assert says in " ".join(refused.value.message_dict[field])


def test_trusted_roots_are_stored_as_nothing_but_certificates():
    ca = authority(trust=f"Subject: somebody\n{ROOT}\n\n{ROOT}")
    ca.full_clean()
    assert ca.trust == ROOT


# -- domains -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"https_only": True}, "https_only", "turn on “serve HTTPS”"),
        ({"hsts_max_age": 300}, "hsts_max_age", "turn on “serve HTTPS”"),
        ({"client_auth": "required", "client_ca": ROOT}, "client_auth", "turn on “serve HTTPS”"),
        ({"tls": True, "hsts_subdomains": True}, "hsts_subdomains", "for how long"),
        ({"tls": True, "hsts_max_age": 315_360_001}, "hsts_max_age", "less than or equal"),
        ({"tls": True, "client_auth": "optional"}, "client_ca", "Paste the certificates"),
        ({"tls": True, "tls_policy": "old"}, "tls_policy", "not a valid choice"),
        ({"tls": True, "client_ca": "-----BEGIN"}, "client_ca", "These are no certificates"),
        ({"tls": True, "client_ca": ROOT[:200]}, "client_ca", "These are no certificates"),
        ({"tls": True, "client_ca": ROOT + key_pem(new_key()).decode()}, "client_ca", "private key"),
        (
            {"tls": True, "client_ca": pem(the_house().leaf("a.example", key=new_key())).decode()},
            "client_ca",
            "“CN=a.example” is no authority",
        ),
    ],
)
def test_what_contradicts_itself_about_https_is_refused_at_its_field(fields, field, says):
    domain = Domain(host="www.a.example", **fields)
    with pytest.raises(ValidationError) as refused:
        domain.full_clean()
    assert says in " ".join(refused.value.message_dict[field])


def test_a_domain_with_everything_about_https_is_accepted():
    Domain(
        host="www.a.example",
        tls=True,
        https_only=True,
        hsts_max_age=31_536_000,
        hsts_subdomains=True,
        tls_policy="modern",
        client_auth="required",
        client_ca=ROOT,
    ).full_clean()
