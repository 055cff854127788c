"""manage.py issue_certificate, with a real authority."""

import pytest
from django.core.management import call_command

from certificates.models import Certificate, Enrollment

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_that_is_issued_by_command_takes_over_from_an_upload(world, capsys):
    enrollment = world.enroll("www.cdn.example")
    Enrollment.objects.update(source=Enrollment.Source.UPLOAD)
    call_command("issue_certificate", "www.cdn.example")
    assert "Issued by CN=Pebble Intermediate CA" in capsys.readouterr().out
    enrollment.refresh_from_db()
    issued = Certificate.objects.get(source=Certificate.Source.ACME)
    assert (enrollment.source, enrollment.candidate or enrollment.current) == ("acme", issued)
