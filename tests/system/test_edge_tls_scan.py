"""What testssl.sh says of a domain with the modern policy: nothing above its informational level."""

import json
import subprocess

import pytest

from tests.factories import DomainFactory
from tests.servers import binary, eventually
from tests.system.edge_documents import Documents
from tests.system.secured import EDGE_KEYS, PLAIN, Authority, secure
from tests.system.test_edge_tls_sessions import AGO, give, ticket_key

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]

#: Which parts of it; what is left out tries how well known clients get on, and looks at pages.
PARTS = ("protocols", "std", "fs", "server-preference", "server-defaults", "vulnerable")

#: What it says about the test's own certificate: valid for 30 days, and no list of revoked ones is named.
OF_THE_CERTIFICATE = {"cert_expirationStatus", "cert_notAfter", "cert_revocation"}


def test_a_scanner_finds_nothing_above_its_informational_level(
    one_node, start_edge, keyspace, origin, tmp_path
):
    edge, authority = start_edge("edge-1", **EDGE_KEYS), Authority()
    domain, documents = DomainFactory(origin__port=origin.port), Documents(keyspace, edge)
    eventually(lambda: edge.get(domain.host).status_code == 200)
    secure(documents, domain, authority, tls={**PLAIN, "policy": "modern"})
    give(documents, ticket_key(1, AGO))
    (tmp_path / "ca.pem").write_text(authority.pem)
    report = tmp_path / "report.json"
    command = [binary("testssl"), "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none"]
    command += ["--ip", "127.0.0.1", "--add-ca", str(tmp_path / "ca.pem"), "--jsonfile", str(report)]
    command += [*(f"--{part}" for part in PARTS), f"{domain.host}:{edge.https_port}"]
    subprocess.run(command, capture_output=True, timeout=300, cwd=tmp_path)
    findings = {finding["id"]: finding for finding in json.loads(report.read_text())}
    assert findings["TLS1_3"]["finding"] == "offered with final"
    assert findings["cert_trust"]["severity"] == "OK"
    assert findings["scanTime"]["severity"] == "INFO"  # it came to its end
    serious = {
        name: finding["finding"]
        for name, finding in findings.items()
        if finding["severity"] in {"LOW", "MEDIUM", "HIGH", "CRITICAL"} and name not in OF_THE_CERTIFICATE
    }
    assert serious == {}
