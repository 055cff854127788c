"""Every setting of Cirrus, typed, from the environment, `.env` and secret files.

A setting is a field here and a line in `.env.example`; a test holds the two together. An unknown
`CIRRUS_…` name or an invalid value stops the boot with a sentence (`ConfigurationError`). Each
secret may come from a file instead: `CIRRUS_SECRET_KEY_FILE=/run/secrets/key`. A secret that is
not given at all is read from `var/secrets/`, where `manage.py demo_up` has generated one. What the
demo needs beside the defaults stands in `var/demo/settings.env`, so that a command that is run by
hand beside it sees the same settings; the environment and `.env` win over it.
"""

import base64
import contextlib
import ipaddress
import os
import re
import secrets
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from cirrus_site.errors import ConfigurationError

BASE_DIR = Path(__file__).resolve().parent.parent

#: Names without our prefix, because every platform calls them so.
PLAIN_NAMES = {"DATABASE_URL", "REDIS_URL"}
PREFIX = "CIRRUS_"

#: Where the file of settings is, when it is not `.env` beside `manage.py`.
ENV_FILE = "CIRRUS_ENV_FILE"

#: What `just up` has set, below `var_dir`.
DEMO_FILE = Path("demo", "settings.env")

#: The file in var/secrets of the key that seals secrets, where no other is configured.
SEALING_KEY = "sealing_key"

#: The addresses that a server's URL may begin with.
SQL_SCHEMES = ("sqlite", "postgres", "postgresql")
REDIS_SCHEMES = ("redis", "rediss", "unix")

Port = Annotated[int, Field(ge=1, le=65535)]


def address_and_port(text: str, default: int = 53) -> tuple[str, int]:
    """`192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1`, `[2001:db8::1]:5353` → (address, port).

    Raises `ValueError` where the text is none of these.
    """
    host, port = text, ""
    if text.startswith("[") or text.count(":") == 1:
        host, _, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    number = int(port or default)
    if not 1 <= number <= 65_535:
        raise ValueError(f"{text!r} has no valid port")
    return str(ipaddress.ip_address(host.strip("[]"))), number


def parse_sealing_keys(text: str) -> dict[str, bytes]:
    """`ID:BASE64[,ID:BASE64…]` → id → key, in the same order. Raises `ValueError`; says no key."""
    ring: dict[str, bytes] = {}
    for item in text.replace(",", " ").split():
        key_id, _, encoded = item.partition(":")
        if not encoded or not re.fullmatch(r"[A-Za-z0-9_.-]{1,32}", key_id) or key_id in ring:
            raise ValueError(
                "it is ID:BASE64 of each key, the IDs short, of letters and digits, and different"
            )
        try:
            ring[key_id] = base64.b64decode(encoded, validate=True)
        except ValueError as error:
            raise ValueError(f"the key “{key_id}” is not base64") from error
        if len(ring[key_id]) != 32:
            raise ValueError(f"the key “{key_id}” has {len(ring[key_id])} bytes; 32 are needed")
    return ring


class Config(BaseModel):
    """The settings, by their name in the environment in lower case and without `CIRRUS_`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # -- control plane
    debug: bool = False
    secret_key: str = ""
    sealing_keys: str = ""
    allowed_hosts: list[str] = ["localhost", "127.0.0.1", "[::1]"]
    trusted_origins: list[str] = []
    behind_https: bool = False
    var_dir: Path = BASE_DIR / "var"
    database_url: str = ""
    redis_url: str = ""
    time_zone: str = "UTC"
    web_bind: str = "127.0.0.1"
    web_port: Port = 8000
    web_workers: int = Field(2, ge=1, le=64)
    metrics_allow: list[str] = ["127.0.0.0/8", "::1/128"]
    trusted_proxies: list[str] = []

    # -- API
    master_token: str = ""
    api_token_rate: int = Field(1200, ge=0, le=10_000_000, description="requests a minute; 0: no limit")
    api_address_rate: int = Field(3000, ge=0, le=10_000_000, description="the same, for an address")
    cors_origins: list[str] = []

    # -- projection
    changes_length: int = Field(100_000, ge=1_000, description="entries kept in cdn:changes")
    repair_delete_share: float = Field(0.25, ge=0, le=1)
    purge_burst: int = Field(10_000, ge=1, le=100_000, description="targets of one domain at once")
    purge_per_second: float = Field(50, gt=0, le=100_000, allow_inf_nan=False)

    # -- node health
    vantage_points: Annotated[list[str], Field(min_length=1, max_length=20)] = ["local"]
    health_interval: int = Field(5, ge=1, le=300, description="seconds from one round of probes to the next")
    health_timeout: float = Field(2, gt=0, le=60, description="seconds that one probe may take")
    health_rise: int = Field(3, ge=1, le=100, description="successes in a row")
    health_fall: int = Field(3, ge=1, le=100, description="failures, counted")
    safety_share: float = Field(0.5, ge=0, le=1, description="of a region that probes may not go below")

    # -- zones
    zone_remove_share: float = Field(0.3, ge=0, le=1, description="of a zone's names that a build may remove")

    # -- certificates
    resolvers: list[str] = []
    certificate_parallel: int = Field(4, ge=1, le=100, description="orders under way at once")

    # -- DNS
    dns_bind: Annotated[list[str], Field(min_length=1)] = ["127.0.0.1:5300"]
    dns_metrics_port: int = Field(9153, ge=0, le=65535, description="0: none")
    zone_journal: int = Field(100, ge=1, le=10_000, description="versions kept for IXFR")

    # -- HTTPS
    https_port: Port = 443

    # -- edge
    edge_bind: Annotated[list[str], Field(min_length=1)] = ["127.0.0.1"]
    edge_http_port: Port = 8081
    edge_https_bind: list[str] = []
    edge_https_port: int = Field(8443, ge=0, le=65535, description="0: no HTTPS")
    edge_unknown_sni: Literal["refuse", "placeholder"] = "refuse"
    edge_keys: str = ""
    edge_status_port: Port = 9145
    edge_status_bind: Annotated[list[str], Field(min_length=1)] = ["127.0.0.1"]
    edge_redis_url: str = ""
    edge_workers: int = Field(1, ge=1, le=256)
    edge_cache_size: str = Field("1g", pattern=r"^[1-9][0-9]*[mg]$")
    edge_cache_keys: str = Field("64m", pattern=r"^[1-9][0-9]*[mg]$")
    edge_config_memory: str = Field("64m", pattern=r"^[1-9][0-9]*[mg]$")
    edge_hot_memory: str = Field("32m", pattern=r"^(0|[1-9][0-9]*[mg])$")
    edge_purge_memory: str = Field("32m", pattern=r"^[1-9][0-9]*[mg]$")
    edge_tag_memory: str = Field("64m", pattern=r"^[1-9][0-9]*[mg]$")
    edge_purge_grace: int = Field(
        60, ge=0, le=3600, description="seconds without Redis that a start forgives"
    )
    edge_slice_size: str = Field("1m", pattern=r"^[1-9][0-9]*[km]$")
    edge_geoip: str = ""
    edge_resolvers: list[str] = []
    edge_nginx: str = ""
    edge_ca_bundle: str = ""
    edge_access_log: str = ""
    edge_log_size: str = Field("100m", pattern=r"^(0|[1-9][0-9]*[kmg])$")
    edge_log_keep: int = Field(10, ge=1, le=1_000)
    edge_min_free: str = Field("256m", pattern=r"^(0|[1-9][0-9]*[kmg])$")
    edge_stale_after: int = Field(60, ge=5, description="seconds without Redis until a warning")
    origin_deny: list[str] = [
        "0.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/3",
        "::/128",
        "::1/128",
        "fe80::/10",
        "ff00::/8",
    ]
    origin_allow: list[str] = []

    # -- the demo stack (`just up`)
    demo_redis_port: Port = 6390
    demo_origin_port: Port = 8090
    demo_edge_ports: Annotated[list[Port], Field(min_length=1, max_length=20)] = [8081, 8082]
    demo_status_ports: list[Port] = [9145, 9146]
    demo_http_port: Port = 8080
    demo_dns_port: Port = 5333
    demo_verify_port: Port = 5347
    demo_https_port: Port = 8443
    demo_ca_port: Port = 14000
    demo_ca_roots_port: Port = 15000
    demo_patience: int = Field(60, ge=1, description="seconds until `just up` says what is not up")

    @field_validator(
        "allowed_hosts",
        "trusted_origins",
        "metrics_allow",
        "trusted_proxies",
        "cors_origins",
        "vantage_points",
        "dns_bind",
        "edge_bind",
        "edge_https_bind",
        "edge_status_bind",
        "edge_resolvers",
        "resolvers",
        "origin_deny",
        "origin_allow",
        "demo_edge_ports",
        "demo_status_ports",
        mode="before",
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        return value.replace(",", " ").split() if isinstance(value, str) else value

    @field_validator("metrics_allow", "trusted_proxies", "origin_deny", "origin_allow")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        return [str(ipaddress.ip_network(item)) for item in value]

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: list[str]) -> list[str]:
        for item in value:
            if not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]_-]+", item):
                raise ValueError(f"{item!r} is no origin: https://console.example.com, without a path")
        return value

    @field_validator("master_token")
    @classmethod
    def _long_enough(cls, value: str) -> str:
        if value and (len(value) < 32 or not value.isascii() or not value.isprintable() or " " in value):
            raise ValueError("it needs 32 printable ASCII characters or more, without spaces")
        return value

    @field_validator("vantage_points")
    @classmethod
    def _names(cls, value: list[str]) -> list[str]:
        for name in value:
            if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name):
                raise ValueError(f"{name!r} is not a name of lower-case letters, digits and hyphens")
        if len(set(value)) < len(value):
            raise ValueError("it names a vantage point twice")
        return value

    @field_validator("health_timeout")
    @classmethod
    def _in_time(cls, value: float, info: ValidationInfo) -> float:
        if value >= info.data.get("health_interval", value + 1):
            raise ValueError("it must be less than CIRRUS_HEALTH_INTERVAL")
        return value

    @field_validator("edge_status_bind")
    @classmethod
    def _addresses(cls, value: list[str]) -> list[str]:
        return [str(ipaddress.ip_address(item)) for item in value]

    @field_validator("edge_bind", "edge_https_bind", "edge_resolvers", "resolvers", "dns_bind")
    @classmethod
    def _servers(cls, value: list[str]) -> list[str]:
        for item in value:
            address_and_port(item)
        return value

    @field_validator("sealing_keys", "edge_keys")
    @classmethod
    def _keys(cls, value: str) -> str:
        parse_sealing_keys(value)
        return value

    @field_validator("web_bind")
    @classmethod
    def _address(cls, value: str) -> str:
        return str(ipaddress.ip_address(value))

    @field_validator("database_url", "redis_url", "edge_redis_url")
    @classmethod
    def _scheme(cls, value: str, info: ValidationInfo) -> str:
        schemes = SQL_SCHEMES if info.field_name == "database_url" else REDIS_SCHEMES
        if value and value.partition("://")[0] not in schemes:
            raise ValueError(f"it must begin with {', '.join(f'{scheme}://' for scheme in schemes)}")
        return value

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            return ZoneInfo(value).key
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is not a time zone") from error

    @field_validator("demo_status_ports")
    @classmethod
    def _one_each(cls, value: list[int], info: ValidationInfo) -> list[int]:
        if len(value) != len(info.data.get("demo_edge_ports", value)):
            raise ValueError("it needs as many ports as CIRRUS_DEMO_EDGE_PORTS has")
        return value

    @field_validator("var_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value if value.is_absolute() else BASE_DIR / value

    @property
    def dns_addresses(self) -> list[tuple[str, int]]:
        """`dns_bind` as (address, port)."""
        return [address_and_port(item) for item in self.dns_bind]

    def sealing_ring(self, *, make: bool = False) -> dict[str, bytes]:
        """Key id → key of 32 bytes; the first one seals. Empty where there is none.

        Where CIRRUS_SEALING_KEYS says nothing, the key of this installation; `make` generates that, and
        raises `OSError` where it cannot be written.
        """
        text = self.sealing_keys or secret_from_var(self, SEALING_KEY)
        if make and not text:
            generated = f"main:{base64.b64encode(secrets.token_bytes(32)).decode()}"
            text = write_secret_once(self, SEALING_KEY, generated)
        return parse_sealing_keys(text)

    def edge_ring(self) -> dict[str, bytes]:
        """Key ID → key of CIRRUS_EDGE_KEYS, in their order; empty where it says nothing."""
        return parse_sealing_keys(self.edge_keys)

    def edge_addresses(self, port: int) -> list[tuple[str, int]]:
        """`edge_bind` as (address, port), with `port` where one names none."""
        return [address_and_port(item, port) for item in self.edge_bind]

    def edge_https_addresses(self, port: int) -> list[tuple[str, int]]:
        """Where an edge speaks HTTPS, as (address, port); none where `port` is 0.

        `edge_https_bind`, with `port` where one names none; where that is empty, those of `edge_bind` that
        name no port.
        """
        if not port:
            return []
        portless = [item for item in self.edge_bind if address_and_port(item, 1) != address_and_port(item, 2)]
        return [address_and_port(item, port) for item in self.edge_https_bind or portless]

    @property
    def resolver_addresses(self) -> list[tuple[str, int]]:
        """`edge_resolvers` as (address, port)."""
        return [address_and_port(item) for item in self.edge_resolvers]

    @property
    def control_resolver_addresses(self) -> list[tuple[str, int]]:
        """`resolvers` as (address, port)."""
        return [address_and_port(item) for item in self.resolvers]


#: Settings that may also be given as `NAME_FILE`, a path to a file that holds the value.
SECRET_FIELDS = {
    *("secret_key", "master_token", "sealing_keys", "edge_keys"),
    *("database_url", "redis_url", "edge_redis_url"),
}


def environment_name(field: str) -> str:
    """The name of a field in the environment: `redis_url` → `REDIS_URL`, `debug` → `CIRRUS_DEBUG`."""
    plain = field.upper()
    return plain if plain in PLAIN_NAMES else PREFIX + plain


def read_config(environment: dict[str, str]) -> Config:
    """Make the settings from environment variables; raise `ConfigurationError` with a sentence."""
    fields = {environment_name(name): name for name in Config.model_fields}
    values: dict[str, str] = {}
    for name, text in environment.items():
        if name in fields:
            values[fields[name]] = text
        elif name.endswith("_FILE") and fields.get(name[:-5]) in SECRET_FIELDS:
            try:
                values.setdefault(fields[name[:-5]], Path(text).read_text().strip())
            except OSError as error:
                raise ConfigurationError(f"{name}: {text} cannot be read ({error.strerror}).") from error
        elif name.startswith(PREFIX) and name != ENV_FILE:
            raise ConfigurationError(f"{name} is not a setting of Cirrus; .env.example lists every name.")
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = environment_name(str(first["loc"][0]))
        raise ConfigurationError(f"{name}: {first['msg'].removeprefix('Value error, ')}.") from error


@lru_cache(maxsize=1)
def get_config() -> Config:
    """The settings of this process: the environment, over `.env`, over what the demo has set."""
    named = os.environ.get(ENV_FILE)
    if named and not Path(named).exists():
        raise ConfigurationError(f"{ENV_FILE}: {named} cannot be read (No such file or directory).")
    given = {**read_env_file(Path(named or BASE_DIR / ".env")), **os.environ}
    demo = read_env_file(read_config(given).var_dir / DEMO_FILE)
    return read_config({**demo, **given})


def read_env_file(path: Path) -> dict[str, str]:
    """The settings in a file of `NAME=value` lines; none where there is no such file.

    Everything in it is meant for Cirrus, so a misspelt `REDIS_URLL` is refused here too; in the
    environment a name without our prefix may be another program's. Raises `ConfigurationError`.
    """
    try:
        lines = path.read_text("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", "it is not UTF-8")
        raise ConfigurationError(f"{path} cannot be read ({why}).") from error
    for line in parse_stream(StringIO(lines)):
        if line.error:
            raise ConfigurationError(f"{path}, line {line.original.line}: it is not NAME=value.")
    values = {name: text for name, text in dotenv_values(stream=StringIO(lines)).items() if text is not None}
    plain = {*PLAIN_NAMES, *(f"{name}_FILE" for name in PLAIN_NAMES)}
    for name in values:
        if not name.startswith(PREFIX) and name not in plain:
            raise ConfigurationError(
                f"{name} in {path} is not a setting of Cirrus; .env.example lists every name."
            )
    return values


def secret_from_var(config: Config, name: str) -> str:
    """A generated secret of this installation, or "" where none has been generated."""
    try:
        return (config.var_dir / "secrets" / name).read_text().strip()
    except FileNotFoundError:
        return ""


def generate_secret(config: Config, name: str) -> str:
    """The secret `var/secrets/NAME` (readable by its owner only), made at the first call."""
    present = secret_from_var(config, name)
    if present:
        return present
    value = secrets.token_urlsafe(48)
    write_secret(config, name, value)
    return value


def write_secret_once(config: Config, name: str, value: str) -> str:
    """Store `value` as `var/secrets/NAME` unless somebody was faster; what stands there now."""
    folder = config.var_dir / "secrets"
    draft = f"{name}.{secrets.token_hex(4)}"
    write_secret(config, draft, value)
    with contextlib.suppress(FileExistsError):
        os.link(folder / draft, folder / name)
    (folder / draft).unlink()
    return secret_from_var(config, name)


def make_var_dir(config: Config) -> Path:
    """The folder of everything that Cirrus writes, for its owner only. Raises `ConfigurationError`."""
    try:
        config.var_dir.mkdir(parents=True, exist_ok=True, mode=0o700)  # the database has password hashes
    except OSError as error:
        raise ConfigurationError(
            f"CIRRUS_VAR_DIR: {config.var_dir} cannot be made ({error.strerror})."
        ) from error
    if not os.access(config.var_dir, os.R_OK | os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"CIRRUS_VAR_DIR: this user (uid {os.getuid()}) may not read and write {config.var_dir}."
        )
    return config.var_dir


def write_secret(config: Config, name: str, value: str) -> None:
    """Store `value` as `var/secrets/NAME`, readable by its owner only."""
    folder = config.var_dir / "secrets"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / name
    draft = path.with_suffix(f".{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(value + "\n")
    draft.replace(path)
