"""Real certificates in the database, with sealed keys: what is issued or uploaded ends like this."""

from certificates.checks.reading import read_pem
from certificates.deployment.storing import certificate_store
from certificates.models import Certificate, Enrollment
from domains.models import Domain, HostName, Origin
from tests.certificates.house import the_house
from tests.factories import DomainFactory


def enroll(domain):
    return Enrollment.objects.get_or_create(domain=domain)[0]


def made_certificate(domain, *, key=None, **more):
    """A certificate for all names of the domain, which nothing serves yet."""
    names = sorted(domain.hostnames.values_list("name", flat=True))
    chain, pem_key = the_house().bundle(*names, key=key, **more)
    material = read_pem(chain, pem_key)
    return certificate_store(material, source=Certificate.Source.UPLOAD, enrollment=enroll(domain))


def serve(domain, certificate=None, *, candidate=None, node=""):
    """Have the edges serve it, and one of them try the candidate."""
    enrollment = enroll(domain)
    enrollment.current, enrollment.candidate, enrollment.candidate_node = certificate, candidate, node
    enrollment.save()
    return enrollment


def secured_domain(host="www.a.example", **fields):
    """A domain that is served over HTTPS, with a certificate."""
    domain = DomainFactory(host=host, tls=True, **fields)
    serve(domain, made_certificate(domain))
    return Domain.objects.get(pk=domain.pk)


def many_secured(number):
    """So many domains with HTTPS, each with a row of its own for one and the same key; without signals."""
    domains = Domain.objects.bulk_create([Domain(host=f"www.{n}.example", tls=True) for n in range(number)])
    HostName.objects.bulk_create([HostName(domain=d, name=d.host, primary=True) for d in domains])
    Origin.objects.bulk_create([Origin(domain=d, host="127.0.0.1", scheme="http") for d in domains])
    enrollments = Enrollment.objects.bulk_create([Enrollment(domain=d) for d in domains])
    template = made_certificate(DomainFactory(host="template.example"))
    common = {
        field.attname: getattr(template, field.attname)
        for field in Certificate._meta.concrete_fields
        if not field.primary_key
    }
    certificates = Certificate.objects.bulk_create(
        [
            Certificate(**common | {"fingerprint": f"{each.domain_id:064x}", "enrollment_id": each.pk})
            for each in enrollments
        ]
    )
    for enrollment, certificate in zip(enrollments, certificates, strict=True):
        enrollment.current = certificate
    Enrollment.objects.bulk_update(enrollments, ["current"], batch_size=500)
