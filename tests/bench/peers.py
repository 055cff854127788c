"""The plain nginx that an edge is measured beside, and the origin that both have."""

import os
from pathlib import Path

from tests.bench.stack import Stack
from tests.servers import eventually

ORIGIN = """
  access_log off;
  keepalive_requests 1000000;
  server {
    listen 127.0.0.1:{port};
    root FILES;
    location / { add_header Cache-Control "max-age=3600"; add_header Cache-Tag "shop, list-1, product-2"; }
    location /each/ { add_header Cache-Control "max-age=3600"; try_files /1k =404; }
    location /live/ { add_header Cache-Control "no-store"; try_files /1k =404; }
  }
"""

#: As the manual shows it: defaults, and a log line for each request as nginx is shipped with.
SERVER = """
  access_log {dir}/access.log;
  keepalive_requests 1000000;
  CACHE_PATH
  upstream origin { server 127.0.0.1:ORIGIN; keepalive 64; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:{port};
    location / {
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      CACHE
      TUNING
    }
  }
"""

CACHE_PATH = (
    "proxy_cache_path {dir}/cache levels=1:2 keys_zone=plain:64m max_size=1g inactive=7d use_temp_path=off;"
)
CACHE = "proxy_cache plain; add_header X-Cache $upstream_cache_status;"
TUNING = "sendfile off; open_file_cache max=4096 inactive=60s; open_file_cache_valid 10s;"

#: The cache before a second server on a unix socket, as an edge has it: what a miss pays for the tier alone.
TIERS = """
  access_log {dir}/access.log;
  keepalive_requests 1000000;
  CACHE_PATH
  upstream origin { server 127.0.0.1:ORIGIN; keepalive 64; keepalive_requests 1000000; }
  upstream tier { server unix:{dir}/tier.sock; keepalive 64; keepalive_requests 1000000; }
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $host;
  server {
    listen 127.0.0.1:{port};
    location / { proxy_pass http://tier; CACHE }
  }
  server {
    listen unix:{dir}/tier.sock;
    access_log off;
    location / { proxy_pass http://origin; }
  }
"""

#: What an edge tells origin, client and log of each request that it passes on, said by plain nginx.
ALIKE = """
  proxy_set_header Via "1.1 peer"; proxy_set_header CDN-Loop "peer";
  proxy_set_header X-Request-Id $request_id;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host;
  add_header X-Cache BYPASS always; add_header Cache-Status "peer; fwd=bypass; fwd-status=$status" always;
  add_header X-Request-Id $request_id always; add_header Via "1.1 peer" always;
  access_log {dir}/access.json alike buffer=64k flush=1s;
"""
ALIKE_LOG = """
  log_format alike escape=json '{"time":"$time_iso8601","node":"peer","request_id":"$request_id",'
    '"client":"$remote_addr","host":"$host","site":"$server_name","method":"$request_method","uri":"$request_uri",'
    '"protocol":"$server_protocol","scheme":"$scheme","status":$status,"bytes":$body_bytes_sent,'
    '"bytes_sent":$bytes_sent,"bytes_received":$request_length,"seconds":$request_time,'
    '"cache":"BYPASS","origin":"$proxy_host","origin_address":"$upstream_addr",'
    '"origin_seconds":"$upstream_response_time","referer":"$http_referer","agent":"$http_user_agent"}';
"""

SHIPPED, TUNED, PROXYING = "nginx proxy_cache", "nginx proxy_cache, tuned alike", "nginx without a cache"
PROXYING_ALIKE = "nginx without a cache, same headers and log"
TIERED = "nginx proxy_cache, in two tiers"


def origin(stack: Stack) -> int:
    """An nginx with a file of 1 KB and one of 1 MB; any path below /each/ and /live/ is the small one."""
    files = stack.folder / "files"
    files.mkdir()
    (files / "1k").write_bytes(os.urandom(1024))
    (files / "1m").write_bytes(os.urandom(1024 * 1024))
    return _pinned(stack, "origin", ORIGIN.replace("FILES", str(files)))


def peers(stack: Stack, origin_port: int) -> dict[str, int]:
    """Their ports, by what they are."""

    def server(cache: str, cache_path: str, tuning: str, template: str = SERVER) -> str:
        text = template.replace("CACHE_PATH", cache_path).replace("CACHE", cache)
        return text.replace("TUNING", tuning).replace("ORIGIN", str(origin_port))

    return {
        SHIPPED: _pinned(stack, "shipped", server(CACHE, CACHE_PATH, "")),
        TUNED: _pinned(stack, "tuned", server(CACHE, CACHE_PATH, TUNING)),
        TIERED: _pinned(stack, "tiered", server(CACHE, CACHE_PATH, "", TIERS)),
        PROXYING: _pinned(stack, "proxying", server("", "", "")),
        PROXYING_ALIKE: _pinned(stack, "alike", server("", ALIKE_LOG, ALIKE)),
    }


def _pinned(stack: Stack, name: str, conf: str) -> int:
    """Start it, and keep its worker on processor 0."""
    port = stack.nginx(name, conf)
    master = int(eventually((stack.folder / name / "pid").read_text))
    for child in Path(f"/proc/{master}/task/{master}/children").read_text().split():
        os.sched_setaffinity(int(child), {0})
    return port
