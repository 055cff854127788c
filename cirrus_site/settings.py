"""Django's settings, derived from `cirrus_site.config`. Nothing here reads the environment itself."""

import sys
from pathlib import Path
from typing import Any

import dj_database_url
from django.urls import reverse_lazy

from cirrus_site.config import BASE_DIR, generate_secret, get_config, make_var_dir, secret_from_var
from cirrus_site.errors import ConfigurationError
from cirrus_site.logs import LOGGING as LOGGING
from cirrus_site.schedule import followed_schedule
from cirrus_site.theme import UNFOLD as UNFOLD

try:
    CIRRUS = get_config()
    VAR_DIR: Path = make_var_dir(CIRRUS)
except ConfigurationError as error:
    sys.exit(f"cirrus: {error}")

#: What this software calls itself: in pyproject.toml too, and in the acknowledgements of its edges.
VERSION = "0.1.0"

SECRET_KEY = CIRRUS.secret_key or generate_secret(CIRRUS, "secret_key")
DEBUG = CIRRUS.debug
ALLOWED_HOSTS = CIRRUS.allowed_hosts
CSRF_TRUSTED_ORIGINS = CIRRUS.trusted_origins

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_celery_beat",
    "django_prometheus",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "corsheaders",
    "api",
    "accounts",
    "alarms",
    "nodes",
    "domains",
    "edge",
    "dnszones",
    "certificates",
    "configuration",
    "cirrus_site.apps.CirrusSiteConfig",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "cirrus_site.middleware.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
    "cirrus_site.middleware.OnceMoreMiddleware",  # last: what it calls is the view itself
]

ROOT_URLCONF = "cirrus_site.urls"
WSGI_APPLICATION = "cirrus_site.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "cirrus_site" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# -- SQL: the durable truth. SQLite in WAL mode until a DATABASE_URL says PostgreSQL.
#: Readers never wait for the writer (WAL); a writer takes its lock when it begins, so that two
#: of them queue instead of failing half-way; a crash of the machine may lose the last commits
#: but never damages the file (synchronous=NORMAL).
SQLITE_OPTIONS: dict[str, Any] = {
    "timeout": 20,
    "transaction_mode": "IMMEDIATE",
    "init_command": (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;"
        "PRAGMA temp_store=MEMORY; PRAGMA mmap_size=134217728; PRAGMA journal_size_limit=67108864;"
    ),
}
_database: dict[str, Any] = dict(
    dj_database_url.parse(CIRRUS.database_url or f"sqlite:///{VAR_DIR / 'cirrus.sqlite3'}")
)
if _database["ENGINE"].endswith("sqlite3"):
    _database["OPTIONS"] = {**SQLITE_OPTIONS, **_database.get("OPTIONS", {})}
else:
    _database |= {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# -- Redis. Database 0 is the keyspace, 1 Celery's queue, 2 Django's cache: a full cache or a
# flushed queue never touches what the edges read.
REDIS_URL = (
    CIRRUS.redis_url or secret_from_var(CIRRUS, "redis_url") or f"redis://127.0.0.1:{CIRRUS.demo_redis_port}"
)


def redis_database(number: int) -> str:
    """REDIS_URL with its database replaced by `number`."""
    from urllib.parse import urlsplit, urlunsplit

    parts = urlsplit(REDIS_URL)
    if parts.scheme == "unix":
        return urlunsplit(parts._replace(query=f"db={number}"))
    return urlunsplit(parts._replace(path=f"/{number}"))


KEYSPACE_URL = redis_database(0)
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": redis_database(2),
        "KEY_PREFIX": "cirrus",
        "OPTIONS": {
            # The portal works with Redis down: a cache that cannot be reached is an empty cache.
            "IGNORE_EXCEPTIONS": True,
            "SOCKET_CONNECT_TIMEOUT": 0.3,
            "SOCKET_TIMEOUT": 1,
        },
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
SESSION_COOKIE_AGE = 7 * 24 * 3600
SESSION_SAVE_EVERY_REQUEST = False

# -- Background work
CELERY_BROKER_URL = redis_database(1)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True  # every task of ours may run twice
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 600
CELERY_TASK_SOFT_TIME_LIMIT = 570
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600, "global_keyprefix": "celery:"}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # else a worker ends for good after some 50 minutes without Redis
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = CIRRUS.time_zone
CELERY_BEAT_SCHEDULE = followed_schedule(CIRRUS)
CELERY_BEAT_SCHEDULER = "cirrus_site.beat:Scheduler"
DJANGO_CELERY_BEAT_TZ_AWARE = True

# -- Accounts and security
AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = reverse_lazy("admin:login")
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
if CIRRUS.behind_https:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^metrics$"]  # asked for on this machine, without the proxy
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
# A large inline formset (an imported domain with many origins) posts many fields.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000

LANGUAGE_CODE = "en-us"
USE_I18N = False
FORMAT_MODULE_PATH = ["cirrus_site.formats"]
TIME_ZONE = CIRRUS.time_zone
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# -- The API
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["api.permissions.ScopeAndRights"],
    "DEFAULT_THROTTLE_CLASSES": ["api.throttles.CallerThrottle"],
    "DEFAULT_PARSER_CLASSES": ["api.limits.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "api.pagination.CursorPagination",
    "DEFAULT_FILTER_BACKENDS": ["api.filters.Filters", "api.filters.Search", "api.filters.Ordering"],
    "DEFAULT_SCHEMA_CLASS": "api.schema.Schema",
    "EXCEPTION_HANDLER": "api.problems.problem_response",
    "URL_FORMAT_OVERRIDE": None,  # JSON is all there is, and every other parameter is refused
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Cirrus CDN",
    "DESCRIPTION": "Everything the portal can do, by machine. docs/api.md says how to begin.",
    "VERSION": VERSION,
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "docExpansion": "none", "filter": True},
    "POSTPROCESSING_HOOKS": ["api.schema.finish"],  # choices stand where they are used: no invented names
}
CORS_ALLOWED_ORIGINS = CIRRUS.cors_origins
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_HEADERS = [
    *("accept", "authorization", "content-type"),
    *("idempotency-key", "if-match", "if-none-match"),
]
CORS_EXPOSE_HEADERS = [
    *("etag", "idempotency-replayed", "link", "location"),
    *("ratelimit", "ratelimit-policy", "retry-after"),
]
