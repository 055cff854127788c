"""How gunicorn runs the control plane: `gunicorn -c python:cirrus_site.gunicorn_conf cirrus_site.wsgi`."""

import os
import shutil
from pathlib import Path
from typing import Any

from cirrus_site.config import get_config
from cirrus_site.logs import LOGGING

_config = get_config()
_metrics = Path(os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(_config.var_dir / "metrics")))

_host = f"[{_config.web_bind}]" if ":" in _config.web_bind else _config.web_bind
bind = f"{_host}:{_config.web_port}"
workers = _config.web_workers
logconfig_dict = LOGGING
# Without the query string (it may hold what somebody searched for), and with the time taken.
access_log_format = '%(h)s "%(m)s %(U)s" %(s)s %(B)s bytes %(M)s ms'
control_socket_disable = True  # a socket in the home folder that nobody here uses
graceful_timeout = 3
max_requests = 10_000  # a leak stays small
max_requests_jitter = 1_000
forwarded_allow_ips = "127.0.0.1,::1"


def on_starting(_server: Any) -> None:
    """Forget the metrics of earlier processes."""
    shutil.rmtree(_metrics, ignore_errors=True)
    _metrics.mkdir(parents=True)


def child_exit(_server: Any, worker: Any) -> None:
    """Drop the gauges of a worker that has ended."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
