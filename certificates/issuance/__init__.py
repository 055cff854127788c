"""Getting certificates from authorities by ACME (RFC 8555).

orders      order_open, order_advance, order_outcome: what tasks and commands call
outcomes    Issued, Waiting, Failed (pure)
revocation  certificate_revoke and its reasons
delegation  delegation_status: which CNAMEs DNS-01 needs, and whether they are there
challenges  challenges_sweep: what killed workers have left behind
"""
