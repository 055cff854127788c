"""What a hit and a miss cost on an edge, beside plain nginx on the same machine in the same run.

Each server has one worker on processor 0, the load comes from processor 1, the runs alternate.
"""

import os
from pathlib import Path

import requests

from tests.bench.report import Row, paired
from tests.bench.stack import Stack, pin, wrk
from tests.factories import DomainFactory
from tests.servers import eventually

RUNS = 5
HOST = "bench.example"

ORIGIN = """
  access_log off;
  server {{
    listen 127.0.0.1:{{port}};
    root {root};
    location / {{ add_header Cache-Control "max-age=3600"; }}
    location /miss {{ add_header Cache-Control "no-store"; try_files /1k =404; }}
  }}
"""

#: As the manual shows it: defaults, and a log line for each request as nginx is shipped with.
SHIPPED = """
  access_log {dir}/access.log;
  proxy_cache_path {dir}/cache levels=1:2 keys_zone=plain:64m max_size=1g inactive=7d use_temp_path=off;
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{{port}};
    location / {{
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_cache plain;
      add_header X-Cache $upstream_cache_status;
      {tuning}
    }}
  }}
"""

TUNING = "sendfile off; open_file_cache max=4096 inactive=60s; open_file_cache_valid 10s;"


def run(stack: Stack) -> list[Row]:
    """The rows; about a minute and a half."""
    files = stack.folder / "files"
    files.mkdir()
    (files / "1k").write_bytes(os.urandom(1024))
    (files / "1m").write_bytes(os.urandom(1024 * 1024))
    origin = stack.nginx("origin", ORIGIN.format(root=files).replace("{{port}}", "{port}"))
    peers = {
        "nginx proxy_cache": stack.nginx("plain", _peer(origin, "")),
        "nginx proxy_cache, tuned alike": stack.nginx("tuned", _peer(origin, TUNING)),
    }
    edge = stack.edge("edge-1")
    DomainFactory(host=HOST, origin__port=origin)
    eventually(lambda: requests.get(f"http://127.0.0.1:{edge.http_port}/1k", headers={"Host": HOST}).ok)
    pin(edge, 0)
    for name in ("plain", "tuned", "origin"):
        _pin_nginx(stack.folder / name / "pid")
    rows = []
    for row, path in [("cached 1 KB", "/1k"), ("cached 1 MB", "/1m"), ("miss 1 KB", "/miss")]:
        for against, port in peers.items():
            if row == "miss 1 KB" and "tuned" in against:
                continue
            requests.get(f"http://127.0.0.1:{edge.http_port}{path}", headers={"Host": HOST})
            pairs = []
            for _ in range(RUNS + 1):  # the first pair warms both up
                pairs.append((wrk(edge.http_port, path, HOST), wrk(port, path, HOST)))
            rows.append(paired(row, "requests/s", against, pairs[1:]))
    return rows


def _peer(origin: int, tuning: str) -> str:
    return (
        SHIPPED.replace("{dir}", "\0")
        .format(origin=origin, tuning=tuning)
        .replace("\0", "{dir}")
        .replace("{{port}}", "{port}")
    )


def _pin_nginx(pid_file: Path) -> None:
    master = int(eventually(pid_file.read_text))
    for child in Path(f"/proc/{master}/task/{master}/children").read_text().split():
        os.sched_setaffinity(int(child), {0})
