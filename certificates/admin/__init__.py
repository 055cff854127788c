"""Certificates in the portal: on the page of each domain, as lists, as a calendar; and the authorities."""

from certificates.admin import authorities, certificates, domains, machine

__all__ = ["authorities", "certificates", "domains", "machine"]
