"""Where the demo keeps what, below `var_dir`."""

from pathlib import Path

from cirrus_site.config import Config


def demo_folder(config: Config) -> Path:
    """Generated configuration, the lock and the states."""
    return config.var_dir / "demo"


def lock_file(config: Config) -> Path:
    """Held, with the manager's pid in it, by a running `just up`."""
    return demo_folder(config) / "up.lock"


def state_folder(config: Config) -> Path:
    return demo_folder(config) / "run"


def state_file(config: Config, name: str) -> Path:
    """What the keeper of this process last said about it."""
    return state_folder(config) / f"{name}.json"


def log_folder(config: Config) -> Path:
    return config.var_dir / "log"


def log_file(config: Config, name: str) -> Path:
    return log_folder(config) / f"{name}.log"


def nsd_folder(config: Config) -> Path:
    """Everything that the demo's name server has."""
    return demo_folder(config) / "nsd"
