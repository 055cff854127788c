"""How an edge runs on this machine: its folder, its nginx.conf, its settings for Lua, its command line.

Nothing here needs SQL, Redis or the rest of the control plane: an edge starts without them.
"""

import json
import os
import pwd
import resource
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from django.conf import settings

from edge import memory_file
from edge.errors import EdgeCannotStart
from edge.redis_place import redis_authorities, redis_for_lua
from edge.sockets import socket_path
from edge.ticket_slots import ticket_slots
from nodes.models import label_validator

HERE = Path(__file__).resolve().parent
MODULES = ("ndk_http_module.so", "ngx_http_lua_module.so")
GEOIP_MODULE = "ngx_http_geoip2_module.so"
#: The folder of an edge in which nginx finds as many files as there may be ticket keys.
TICKET_SLOTS = "ticket-slots"
#: The files of an edge in which its workers say whose settings they have, and nginx what it cannot do at all.
TAKEN, EMERGENCIES = "taken", "emergencies.log"
#: Headers from which frameworks take the URL, the host or the method of a request, and that are in no cache
#: key: with them a client could poison the cache for others. The edge sets its own X-Forwarded-For, -Proto
#: and -Host; where a domain is guarded, these do not reach its origins. Spelled as nginx's variables are.
UNKEYED_HEADERS = (
    *("base_url", "forwarded", "front_end_https", "proxy"),
    *("request_uri", "x_forwarded", "x_forwarded_path", "x_forwarded_port"),
    *("x_forwarded_prefix", "x_forwarded_scheme", "x_forwarded_server", "x_forwarded_ssl"),
    *("x_forwarded_uri", "x_forwarded_url", "x_host", "x_http_host_override"),
    *("x_http_method", "x_http_method_override", "x_method_override", "x_original_host"),
    *("x_original_uri", "x_original_url", "x_override_url", "x_proxy_url"),
    *("x_rewrite_url", "x_url_scheme", "x_wap_profile"),
)


@dataclass(frozen=True)
class EdgeOptions:
    """Which edge to run, and where it listens (TCP ports; https_port 0: nowhere)."""

    node: str
    http_port: int
    https_port: int
    status_port: int

    @property
    def folder(self) -> Path:
        """All that this edge keeps: configuration, cache, snapshot, logs."""
        return Path(settings.VAR_DIR) / "edge" / self.node


# -- the nginx on this machine ---------------------------------------------------------------------


def nginx_binary() -> str:
    """The path of OpenResty's or Debian's nginx; `EdgeCannotStart` where there is none."""
    wanted = settings.CIRRUS.edge_nginx
    path = os.environ.get("PATH", "") + ":/usr/local/openresty/bin:/usr/local/sbin:/usr/sbin"
    for name in [wanted] if wanted else ["openresty", "nginx"]:
        if found := shutil.which(name, path=path):
            return found
    raise EdgeCannotStart(
        f"{wanted or 'nginx'} is not installed. On Debian: apt-get install nginx-light "
        "libnginx-mod-http-lua lua-resty-core lua-resty-lrucache lua-cjson lua-nginx-redis lua-nginx-dns"
    )


def lua_modules(nginx: str) -> list[str]:
    """The dynamic modules to load: Debian's Lua module; none for OpenResty, which has it built in."""
    said = _build_of(nginx)
    if "openresty" in said or "lua-nginx-module" in said.replace("--add-dynamic-module", ""):
        return []
    if found := _find_modules(said, MODULES):
        return found
    raise EdgeCannotStart(
        f"{nginx} has no Lua module. On Debian: apt-get install libnginx-mod-http-lua (the package luajit "
        "conflicts with it and must not be installed)."
    )


def geoip_module(nginx: str) -> list[str]:
    """The module that reads the country database, where one is configured and it is not built in."""
    database = settings.CIRRUS.edge_geoip
    if not database:
        return []
    if not Path(database).is_file():
        raise EdgeCannotStart(f"CIRRUS_EDGE_GEOIP: there is no file {database}.")
    said = _build_of(nginx)
    if "geoip2" in said.replace("--add-dynamic-module", ""):
        return []
    if found := _find_modules(said, (GEOIP_MODULE,)):
        return found
    raise EdgeCannotStart(
        f"{nginx} cannot read CIRRUS_EDGE_GEOIP without its geoip2 module. On Debian: apt-get install "
        "libnginx-mod-http-geoip2."
    )


def _build_of(nginx: str) -> str:
    return subprocess.run([nginx, "-V"], capture_output=True, text=True, check=True).stderr


def _find_modules(said: str, names: tuple[str, ...]) -> list[str]:
    flags = [word.partition("=")[2] for word in said.split() if word.startswith("--modules-path=")]
    for folder in [*flags, "/usr/lib/nginx/modules", "/usr/share/nginx/modules"]:
        paths = [Path(folder) / name for name in names]
        if all(path.exists() for path in paths):
            return [str(path) for path in paths]
    return []


def ca_bundle() -> str:
    """The file of certificate authorities that https origins are held against."""
    given = settings.CIRRUS.edge_ca_bundle
    if given and not Path(given).is_file():
        raise EdgeCannotStart(f"CIRRUS_EDGE_CA_BUNDLE: there is no file {given}.")
    found = given or ssl.get_default_verify_paths().cafile
    for path in [found, "/etc/ssl/certs/ca-certificates.crt"]:
        if path and Path(path).is_file():
            return str(path)
    raise EdgeCannotStart(
        "There is no file of certificate authorities (on Debian: apt-get install ca-certificates); "
        "CIRRUS_EDGE_CA_BUNDLE names another."
    )


# -- what Lua is told ------------------------------------------------------------------------------


def redis_url() -> str:
    """Where the keyspace is, for an edge."""
    return settings.CIRRUS.edge_redis_url or str(settings.KEYSPACE_URL)


def system_resolvers() -> list[str]:
    """The name servers of resolv.conf(5), or the loopback where it names none."""
    try:
        lines = Path("/etc/resolv.conf").read_text().splitlines()
    except OSError:
        lines = []
    found = [line.split()[1] for line in lines if line.startswith("nameserver") and len(line.split()) > 1]
    return found[:3] or ["127.0.0.1"]


def resolvers() -> list[tuple[str, int]]:
    """The name servers for origins' names: (address as nginx spells it, port)."""
    pairs = settings.CIRRUS.resolver_addresses or [(address, 53) for address in system_resolvers()]
    return [(f"[{address}]" if ":" in address else address, port) for address, port in pairs]


def size_in_bytes(text: str) -> int:
    """`256m` → 268435456; `0` stays 0."""
    unit = {"k": 1, "m": 2, "g": 3}.get(text[-1], 0)
    return int(text.rstrip("kmg")) * 1024**unit


def access_log(options: EdgeOptions) -> str:
    """Where this edge writes a line for each request."""
    return settings.CIRRUS.edge_access_log or str(options.folder / "access.log")


def is_read_along(path: str) -> bool:
    """Whether it is a terminal or a pipe, whose reader wants each line at once, and no file."""
    target = Path(path)
    return target.exists() and not target.is_file()


def lua_settings(options: EdgeOptions, descriptor: int | None, number: str) -> dict[str, Any]:
    """What `cirrus.settings` holds on the edge; `descriptor`: of its file in memory. `number` (any word):
    its workers write it to a file, so that it can be seen whose settings they have."""
    cirrus = settings.CIRRUS
    return {
        "node": options.node,
        "version": settings.VERSION,
        "redis": redis_for_lua(redis_url()),
        "snapshot": str(options.folder / "snapshot"),
        "resolvers": resolvers(),
        "origin_deny": cirrus.origin_deny,
        "origin_allow": cirrus.origin_allow,
        "stale_after": cirrus.edge_stale_after,
        "number": number,
        "taken": str(options.folder / TAKEN),
        "generation": str(options.folder / "generation"),
        "contact": str(options.folder / "contact"),
        "invalidations": str(options.folder / "invalidations"),
        "tagged": str(options.folder / "tagged"),
        "passing": str(options.folder / "tmp"),
        "refresh_socket": str(socket_path(options.folder, "refresh")),
        "hot_memory": size_in_bytes(cirrus.edge_hot_memory),
        "purge_grace": cirrus.edge_purge_grace,
        "geoip": bool(cirrus.edge_geoip),
        "https": bool(https_listen(options)),
        "memory_file": descriptor,
        "ticket_slots": str(options.folder / TICKET_SLOTS),
        "unkeyed_headers": [name.replace("_", "-") for name in UNKEYED_HEADERS],
        "cache": {
            "folder": str(options.folder / "cache"),
            "size": cirrus.edge_cache_size,
            "keys": cirrus.edge_cache_keys,
            "min_free": size_in_bytes(cirrus.edge_min_free),
        },
        "access_log": {
            "path": access_log(options),
            "size": size_in_bytes(cirrus.edge_log_size),
            "keep": cirrus.edge_log_keep,
        },
    }


# -- files -----------------------------------------------------------------------------------------


def _authorities(addresses: Iterable[tuple[str, int]]) -> list[str]:
    return [f"[{bind}]:{port}" if ":" in bind else f"{bind}:{port}" for bind, port in addresses]


def https_listen(options: EdgeOptions) -> list[str]:
    """Where this edge speaks HTTPS, as nginx spells it; empty where it does not."""
    return _authorities(settings.CIRRUS.edge_https_addresses(options.https_port))


def https_port() -> str:
    """What stands behind the host in an https URL: nothing, or `:8443` where clients use another port."""
    port = settings.CIRRUS.https_port
    return "" if port == 443 else f":{port}"


def nginx_conf(options: EdgeOptions, nginx: str) -> str:
    """The text of nginx.conf."""
    cirrus = settings.CIRRUS
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    connections = 16_384 if hard == resource.RLIM_INFINITY else max(512, min(16_384, hard // 3))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "nginx"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701  (nginx's language, from validated settings)
        keep_trailing_newline=True,
    )
    return environment.get_template("nginx.conf.j2").render(
        node=options.node,
        dir=options.folder,
        emergencies=options.folder / EMERGENCIES,
        socket=socket_path(options.folder, "fetch"),
        refresh_socket=socket_path(options.folder, "refresh"),
        modules=[*lua_modules(nginx), *geoip_module(nginx)],
        geoip=cirrus.edge_geoip,
        unkeyed_headers=UNKEYED_HEADERS,
        slice_size=cirrus.edge_slice_size,
        purge_memory=cirrus.edge_purge_memory,
        tag_memory=cirrus.edge_tag_memory,
        user=pwd.getpwuid(os.getuid()).pw_name if os.getuid() == 0 else "",
        workers=cirrus.edge_workers,
        connections=connections,
        open_files=connections // 4,
        lua_path=HERE / "lua",
        config_memory=cirrus.edge_config_memory,
        cache_size=cirrus.edge_cache_size,
        cache_keys=cirrus.edge_cache_keys,
        access_log=access_log(options),
        access_log_buffered=not is_read_along(access_log(options)),
        ca_bundle=ca_bundle(),
        redis_bundle=redis_authorities(redis_url()) or ca_bundle(),
        listen=_authorities(cirrus.edge_addresses(options.http_port)),
        https_listen=https_listen(options),
        ticket_slots=ticket_slots(options.folder / TICKET_SLOTS),
        https_port=https_port(),
        status_listen=_authorities((bind, options.status_port) for bind in cirrus.edge_status_bind),
    )


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read (it may hold Redis's password)."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)


def prepare(options: EdgeOptions) -> list[str]:
    """Write this edge's files, check them, and return the command that runs it in the foreground.

    This process is to become that command, which inherits the file in memory with the keys
    (`edge.memory_file`). Raises `EdgeCannotStart` with a sentence: a busy port, a missing module, a setting
    that nginx refuses.
    """
    label_validator(options.node)
    nginx = nginx_binary()
    folder = options.folder
    (folder / "tmp").mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    _refuse_second(options)  # first: these files belong to an edge that is running
    write_files(options, nginx, memory_file.create(), number="first")
    return [*_command(options, nginx), "-g", "daemon off;"]


def environment() -> dict[str, str]:
    """What nginx needs of this process's environment: none of our settings, which have secrets among them."""
    ours = ("CIRRUS_", "DATABASE_URL", "REDIS_URL", "DJANGO_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _command(options: EdgeOptions, nginx: str, *, conf: str = "nginx.conf") -> list[str]:
    return [nginx, "-e", "stderr", "-p", str(options.folder), "-c", str(options.folder / conf)]


def write_files(options: EdgeOptions, nginx: str, descriptor: int, *, number: str) -> None:
    """Write settings.json and nginx.conf, once nginx has taken them on trial. Raises `EdgeCannotStart`."""
    folder = options.folder
    _write_private(folder / "nginx.conf.new", nginx_conf(options, nginx))
    tried = subprocess.run(
        [*_command(options, nginx, conf="nginx.conf.new"), "-q", "-t"], capture_output=True, text=True
    )
    if tried.returncode:
        raise EdgeCannotStart(f"nginx refuses its configuration: {tried.stderr.strip()}")
    told = lua_settings(options, descriptor, number)
    _write_private(folder / "settings.json", json.dumps(told, indent=1))
    (folder / "nginx.conf.new").rename(folder / "nginx.conf")


def _refuse_second(options: EdgeOptions) -> None:
    cirrus = settings.CIRRUS
    for bind, port, name in [
        *(
            (bind, port, "CIRRUS_EDGE_BIND, CIRRUS_EDGE_HTTP_PORT or --http-port")
            for bind, port in cirrus.edge_addresses(options.http_port)
        ),
        *(
            (bind, port, "CIRRUS_EDGE_HTTPS_BIND, CIRRUS_EDGE_HTTPS_PORT or --https-port")
            for bind, port in cirrus.edge_https_addresses(options.https_port)
        ),
        *(
            (bind, options.status_port, "CIRRUS_EDGE_STATUS_PORT or --status-port")
            for bind in cirrus.edge_status_bind
        ),
    ]:
        with socket.socket(socket.AF_INET6 if ":" in bind else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((bind, port))
            except OSError as error:
                raise EdgeCannotStart(
                    f"The edge {options.node} cannot listen on {bind} port {port} ({error.strerror}); "
                    f"{name} chooses another."
                ) from error
    path = socket_path(options.folder, "fetch")
    if path.exists():
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == 0:
                raise EdgeCannotStart(f"The edge {options.node} is running already ({path} answers).")
        path.unlink()  # left behind by one that was killed
    socket_path(options.folder, "refresh").unlink(missing_ok=True)
    for beacon in (options.folder / "tmp").glob("beacon-*"):
        beacon.unlink()
