"""From a certificate to all edges: tried on one, then served by all, and looked at again and again.

    deploy_start ─▶ candidate ─▶ tried on one edge ─▶ current on all ─▶ served on 5 of 5
                        └─ withdrawn where it is refused, cannot be served or is not right; an alarm says why

Where it stands is stored (`candidate`, `candidate_node`, `current` and `previous` of the enrollment), so a
worker that is killed anywhere is followed by the next one.
"""

from certificates.deployment.deploying import Deployed, deploy, deploy_start
from certificates.deployment.placeholders import placeholder_ensure
from certificates.deployment.reverting import certificate_revert
from certificates.deployment.uploading import certificate_upload

__all__ = [
    "Deployed",
    "certificate_revert",
    "certificate_upload",
    "deploy",
    "deploy_start",
    "placeholder_ensure",
]
