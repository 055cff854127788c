"""The server programs that the demo runs, wherever this machine has them."""

import os
import shutil
import subprocess
from pathlib import Path

from cirrus_site.config import Config

#: Debian keeps servers where a user's PATH does not look.
SBIN = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/openresty/nginx/sbin"]
DEBIAN_LUA_MODULE = Path("/usr/lib/nginx/modules/ngx_http_lua_module.so")


def find(name: str) -> str:
    """The path of a program, or "" where it is not installed."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *SBIN])) or ""


def nginx(config: Config) -> str:
    """The nginx (or OpenResty) of this machine, or ""."""
    return find(config.edge_nginx) if config.edge_nginx else find("nginx") or find("openresty")


def has_lua(nginx_path: str) -> bool:
    """Whether this nginx can run the edge: built with Lua, as OpenResty is, or with Debian's module."""
    about = subprocess.run([nginx_path, "-V"], capture_output=True, text=True, check=False)
    return "lua" in about.stderr.lower().replace("luajit", "") or DEBIAN_LUA_MODULE.exists()
