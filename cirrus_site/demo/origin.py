"""The demo's origin: an nginx that serves the static files of the installed packages.

Hundreds of real files (styles, scripts, fonts, pictures), with ETag, Last-Modified and Cache-Control,
an index page that links to every one of them, and a page that is new each second and has a tag.
"""

import importlib.util
import mimetypes
import os
from collections.abc import Iterable
from html import escape
from pathlib import Path
from urllib.parse import quote

from cirrus_site.config import Config
from cirrus_site.demo.paths import demo_folder
from cirrus_site.demo.redis_server import quoted
from edge.errors import EdgeCannotStart
from edge.runtime import nginx_binary

#: Path on the origin → package and folder that it serves.
TREES = {
    "django": ("django", "contrib/admin/static"),
    "maps": ("django", "contrib/gis/static"),
    "unfold": ("unfold", "static"),
    "filters": ("unfold", "contrib/filters/static"),
    "forms": ("unfold", "contrib/forms/static"),
    "rest_framework": ("rest_framework", "static"),
}

#: The page that is new each second, to see what a purge does. Its tag is `news`.
NEWS = "/news"

CONFIG = """\
# Written by `just up`; what you change here is overwritten.
{user}worker_processes 1;
pid "{folder}/nginx.pid";
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    access_log "{folder}/access.log";
    client_body_temp_path "{folder}/tmp/body";
    proxy_temp_path "{folder}/tmp/proxy";
    fastcgi_temp_path "{folder}/tmp/fastcgi";
    uwsgi_temp_path "{folder}/tmp/uwsgi";
    scgi_temp_path "{folder}/tmp/scgi";
    default_type application/octet-stream;
    types {{
{types}
    }}
    sendfile on;
    server_tokens off;
    server {{
        listen 127.0.0.1:{port};
        add_header Cache-Control "public, max-age=60";
        root "{folder}/pages";
        location = {news} {{
            default_type text/plain;
            add_header Cache-Control "public, max-age=3600";
            add_header Cache-Tag "news, all-pages";
            return 200 "News of $time_iso8601\n";
        }}
{locations}
    }}
}}
"""


def origin_folder(config: Config) -> Path:
    return demo_folder(config) / "origin"


def origin_config(config: Config) -> Path:
    """The path of the origin's nginx.conf."""
    return origin_folder(config) / "nginx.conf"


def origin_command(config: Config) -> list[str]:
    """What runs the origin: the nginx of the edges, where there is one (`preflight` says so if not)."""
    try:
        nginx = nginx_binary()
    except EdgeCannotStart:
        nginx = "nginx"
    return [nginx, "-e", "stderr", "-c", str(origin_config(config)), "-g", "daemon off;"]


def trees() -> dict[str, Path]:
    """Path on the origin → folder, for those packages that are installed."""
    found = {}
    for name, (package, folder) in TREES.items():
        spec = importlib.util.find_spec(package)
        if spec and spec.origin and (tree := Path(spec.origin).parent / folder).is_dir():
            found[name] = tree
    return found


def files(tree: Path) -> list[str]:
    """Every file below a folder, by its relative path."""
    return sorted(str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file())


def write_origin(config: Config) -> None:
    """Write the origin's nginx.conf and its index page."""
    folder = origin_folder(config)
    (folder / "pages").mkdir(parents=True, exist_ok=True)
    (folder / "tmp").mkdir(exist_ok=True)
    served = {name: files(tree) for name, tree in trees().items()}
    (folder / "pages" / "index.html").write_text(index_page(served))
    text = CONFIG.format(
        # Started by root, nginx would serve as `nobody`, who may not look into root's checkout.
        user="user root root;\n" if os.geteuid() == 0 else "",
        folder=quoted(folder),
        port=config.demo_origin_port,
        news=NEWS,
        types=media_types(path for paths in served.values() for path in paths),
        locations="\n".join(
            f'        location /{name}/ {{ alias "{quoted(tree)}/"; }}' for name, tree in trees().items()
        ),
    )
    origin_config(config).write_text(text)


def media_types(paths: Iterable[str]) -> str:
    """The `types` of nginx for the suffixes of these files."""
    suffixes = {Path(path).suffix.lower() for path in paths} | {".html"}
    types = {suffix: mimetypes.guess_type(f"x{suffix}")[0] for suffix in suffixes if suffix}
    return "\n".join(f"        {kind} {suffix[1:]};" for suffix, kind in sorted(types.items()) if kind)


def index_page(served: dict[str, list[str]]) -> str:
    """A page with a link to every file."""
    count = sum(len(paths) for paths in served.values())
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>The demo origin of Cirrus</title>",
        f"<h1>The demo origin of Cirrus</h1><p>{count} files of the installed packages, "
        f'and <a href="{NEWS}">news</a> that are new each second (until an edge keeps them).</p>',
    ]
    for name, paths in served.items():
        links = "".join(f'<li><a href="/{name}/{quote(path)}">{escape(path)}</a></li>' for path in paths)
        parts.append(f"<h2>{escape(name)}</h2><ul>{links}</ul>")
    return "\n".join(parts) + "\n"
