"""The demo's own Redis: its configuration and its password."""

import os
import shutil
from pathlib import Path

from cirrus_site.config import Config, generate_secret, write_secret
from cirrus_site.demo.paths import demo_folder

#: Debian keeps servers where a user's PATH may not look.
SBIN = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin"

TEMPLATE = """\
# Written by `just up`; what you change here is overwritten.
bind 127.0.0.1
port {port}
protected-mode yes
requirepass "{password}"
dir "{data}"
# Every change is on disk within a second, and a full memory refuses instead of forgetting.
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
daemonize no
"""


def redis_binary() -> str:
    """The path of Redis, also where a user's PATH does not look; "" where it is not installed."""
    return shutil.which("redis-server", path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}") or ""


def redis_config(config: Config) -> Path:
    """The path of the demo's redis.conf."""
    return demo_folder(config) / "redis.conf"


def write_redis_config(config: Config) -> None:
    """Write redis.conf and the URL in `var/secrets/`. The password is made once and stays.

    It stands in files that only their owner can read, never on a command line.
    """
    password = generate_secret(config, "redis_password")
    write_secret(config, "redis_url", f"redis://:{password}@127.0.0.1:{config.demo_redis_port}")
    data = config.var_dir / "redis"
    data.mkdir(parents=True, exist_ok=True)
    path = redis_config(config)
    path.touch(mode=0o600)
    path.write_text(TEMPLATE.format(port=config.demo_redis_port, password=password, data=quoted(data)))


def quoted(path: Path) -> str:
    """A path as it stands between double quotes in redis.conf and nginx.conf."""
    return str(path).replace("\\", "\\\\").replace('"', '\\"')
