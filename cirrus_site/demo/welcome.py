"""Waits until everything answers, fills an empty database, and says so."""

import time
from collections.abc import Sequence

from django.contrib.auth import get_user_model
from django.urls import reverse
from rich.console import Console

from cirrus_site.config import Config
from cirrus_site.demo.control import kept_states
from cirrus_site.demo.programs import Program, programs
from cirrus_site.demo.report import Seen, print_troubles, print_welcome, state_table
from cirrus_site.demo.secured import https_show
from cirrus_site.demo.seed import HOST, demo_seed
from cirrus_site.demo.showcase import purge_show
from cirrus_site.demo.steered import dns_show
from domains.models import Domain
from edge.models import Kind
from edge.services import publication_status


def welcome(config: Config, console: Console) -> bool:
    """Print the table and where to go, or what has not come up; True where everything has."""
    wanted = programs(config)
    deadline = time.monotonic() + config.demo_patience
    # Redis first: what is then seeded reaches the edges at once.
    troubles = wait_for([program for program in wanted if program.name == "redis"], config, deadline)
    demo_seed(config)
    troubles |= wait_for([program for program in wanted if program.name != "redis"], config, deadline)
    domain = Domain.objects.filter(host=HOST, enabled=True).first()
    line = wait_for_edges(domain, deadline) if domain and not troubles else ""
    purged = purge_show(config, domain) if domain and not troubles else []
    followed = dns_show(config, deadline) if domain and not troubles else []
    secured = https_show(config, deadline) if domain and not troubles else []
    console.print(state_table(wanted, kept_states(config)))
    if troubles:
        print_troubles(console, config, troubles)
        return False
    portal = f"{next(p.where for p in wanted if p.name == 'web').rstrip('/')}{reverse('admin:index')}"
    admin = get_user_model().objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
    user = admin.get_username() if admin else "–"
    seen = Seen(line=line, purged=purged, followed=followed, secured=secured)
    print_welcome(console, config, portal=portal, user=user, seen=seen)
    return True


def wait_for(wanted: Sequence[Program], config: Config, deadline: float) -> dict[str, str]:
    """Wait until these programs answer; name → what is wrong with those that do not in time."""
    troubles: dict[str, str] = {}
    waiting = list(wanted)
    while waiting:
        troubles = {program.name: why for program in waiting if (why := trouble(program, config))}
        waiting = [program for program in waiting if program.name in troubles]
        if time.monotonic() > deadline:
            break
        if waiting:
            time.sleep(0.1)
    return troubles


def trouble(program: Program, config: Config) -> str:
    """Why a program cannot be said to work, or ""."""
    kept = kept_states(config).get(program.name)
    if not kept or kept.state != "running":
        return (kept.why or kept.state) if kept else "it has not been started"
    try:
        if program.check:
            program.check()
    except Exception as error:  # whatever a client library raises, it is an answer to “does it work?”
        return str(error) or type(error).__name__
    return ""


def wait_for_edges(domain: Domain, deadline: float) -> str:
    """The demo domain's honest line, once the edges have it."""
    while True:
        status = publication_status(kind=Kind.DOMAIN, object_id=domain.pk)
        if status.tone != "pending" or time.monotonic() > deadline:
            return status.sentence
        time.sleep(0.1)
