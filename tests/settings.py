"""Settings of the tests: the real ones, on ports and in a folder of this test process alone."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from tests.servers import free_port

TEST_VAR = Path(tempfile.mkdtemp(prefix="cirrus-test-"))
atexit.register(shutil.rmtree, TEST_VAR, ignore_errors=True)
(TEST_VAR / "static").mkdir()  # whitenoise warns where there is none
#: Not a name of Cirrus's, and it stays: xdist's workers read it after the process that starts them has.
DATABASE_URL = os.environ.get("TEST_DATABASE_URL", f"sqlite:///{TEST_VAR / 'unused.sqlite3'}")

for _name in [name for name in os.environ if name.startswith("CIRRUS_")]:
    del os.environ[_name]
os.environ |= {
    "CIRRUS_ENV_FILE": os.devnull,
    "CIRRUS_VAR_DIR": str(TEST_VAR),
    "CIRRUS_ORIGIN_ALLOW": "127.0.0.0/8",
    "CIRRUS_ALLOWED_HOSTS": "localhost 127.0.0.1 testserver",
    "DATABASE_URL": DATABASE_URL,
    "REDIS_URL": f"redis://127.0.0.1:{free_port()}",
}

from cirrus_site.settings import *  # noqa: F403
from cirrus_site.settings import DATABASES, STORAGES

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, so that the threads and processes of the system tests see the same tables.
    DATABASES["default"]["TEST"] = {"NAME": TEST_VAR / "test.sqlite3"}
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
