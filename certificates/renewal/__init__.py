"""When certificates are renewed, at which authority, and what to do after a failure. Pure.

Everything is measured as a share of a certificate's own lifetime, never in days, so that certificates of
a year, of 47 days and of six days are all renewed in time. `certificates/services/` applies it.
"""
