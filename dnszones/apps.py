from django.apps import AppConfig


class DnszonesConfig(AppConfig):
    name = "dnszones"
    verbose_name = "DNS"
