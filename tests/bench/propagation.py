"""From the press on “Save” in the portal to the moment at which both edges serve the change.

The save is a POST of the origin's form to gunicorn. Each edge is asked, without pause, for an object that
it does not have, and so shows which Host header it now sends to the origin.
"""

import re
import sys
import threading
import time
from statistics import quantiles

import requests

from tests.bench.report import Row
from tests.bench.stack import Stack
from tests.factories import DomainFactory
from tests.servers import EdgeServer, eventually, free_port

SAVES = 200
#: An origin that answers with the Host header it is asked for, and forbids to keep that.
ECHO = """
  access_log off;
  server {
    listen 127.0.0.1:{port};
    default_type text/plain;
    location / { add_header Cache-Control no-store; return 200 $http_host; }
  }
"""
USER, PASSWORD = "bench", "a benchmark's own password"


def run(stack: Stack) -> list[Row]:
    """The rows p50 and p99; half a minute."""
    from django.contrib.auth import get_user_model

    get_user_model().objects.create_superuser(USER, password=PASSWORD)
    origin = stack.nginx("origin", ECHO)
    edges = [stack.edge("edge-1"), stack.edge("edge-2")]
    domain = DomainFactory(origin__port=origin, origin__host_header="start.example")
    port = free_port()
    stack.manage("collectstatic", "--noinput", "--verbosity", "0")
    stack.process(
        *(sys.executable, "-m", "gunicorn", "--no-control-socket", "--workers", "2"),
        *("--bind", f"127.0.0.1:{port}", "cirrus_site.wsgi"),
    )
    portal = _Portal(f"http://127.0.0.1:{port}", domain.pk)
    watchers = [_Watcher(edge, domain.host) for edge in edges]
    for watcher in watchers:
        watcher.start()
    taken = []
    for number in range(SAVES + 5):
        name = f"save-{number}.example"
        for watcher in watchers:
            watcher.expect(name)
        began = time.monotonic()
        portal.save(name)
        taken.append(max(watcher.seen_at() for watcher in watchers) - began)
    for watcher in watchers:
        watcher.over = True
    cuts = quantiles(taken[5:], n=100)  # the first saves warm everything up
    return [
        Row("p50", round(cuts[49] * 1000, 1), "ms", SAVES),
        Row("p99", round(cuts[98] * 1000, 1), "ms", SAVES),
    ]


class _Portal:
    """A browser's session in the admin, on one domain's page."""

    def __init__(self, url: str, pk: int) -> None:
        self.session, self.page = requests.Session(), f"{url}/admin/domains/domain/{pk}/change/"
        login = f"{url}/admin/login/"
        eventually(lambda: self.session.get(login).ok, within=30)
        token = self.session.cookies["csrftoken"]
        self.session.post(
            login,
            {"username": USER, "password": PASSWORD, "csrfmiddlewaretoken": token},
            headers={"Referer": login},
        )
        self.fields = _form_fields(self.session.get(self.page).text)

    def save(self, host_header: str) -> None:
        """Press “Save” with another Host header."""
        data = {**self.fields, "origins-0-host_header": host_header}
        answer = self.session.post(self.page, data, headers={"Referer": self.page}, allow_redirects=False)
        if answer.status_code != 302:
            complaints = re.findall(r'class="[^"]*error[^"]*"[^>]*>(.*?)</', answer.text, re.DOTALL)
            raise SystemExit(f"the portal did not save ({answer.status_code}): {complaints[:5]} {data}")


def _form_fields(html: str) -> dict[str, str]:
    """What a browser would post back of the change form."""
    form = html[html.index('id="domain_form"') :]
    form = form[: form.index("</form>")]
    fields = {}
    for tag in re.findall(r"<input [^>]*>", form):
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        is_box = attributes.get("type") == "checkbox"
        if is_box and not re.search(r"\schecked(?=[\s>=])", tag):
            continue
        if attributes.get("name") and "__prefix__" not in attributes["name"]:
            fields[attributes["name"]] = attributes.get("value", "on" if is_box else "")
    for name, body in re.findall(r'<select name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', body)
        if "__prefix__" not in name:
            fields[name] = chosen.group(1) if chosen else ""
    for name, body in re.findall(r'<textarea name="([^"]+)"[^>]*>(.*?)</textarea>', form, re.DOTALL):
        fields[name] = body.strip()
    return {
        name: value for name, value in fields.items() if not name.startswith("_") and "DELETE" not in name
    }


class _Watcher(threading.Thread):
    """Asks one edge again and again, and notes when it first shows what is expected."""

    def __init__(self, edge: EdgeServer, host: str) -> None:
        super().__init__(daemon=True)
        self.edge, self.host, self.over = edge, host, False
        self.expected, self.found = "", threading.Event()
        self.at = 0.0

    def expect(self, name: str) -> None:
        self.found.clear()
        self.expected = name

    def seen_at(self) -> float:
        """Waits until it has been seen."""
        if not self.found.wait(20):
            raise SystemExit(f"{self.edge.node} did not serve the change within 20 s")
        return self.at

    def run(self) -> None:
        session = requests.Session()
        url = f"http://127.0.0.1:{self.edge.http_port}/watch"
        while not self.over:
            text = session.get(url, headers={"Host": self.host}).text
            if not self.found.is_set() and text == self.expected:
                self.at = time.monotonic()
                self.found.set()
            time.sleep(0.002)  # leaves the processors to what is measured
