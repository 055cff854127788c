# The verbs of Cirrus; `just` without one lists them. On a new machine: ./dev VERB (it makes .venv).

set shell := ["bash", "-euo", "pipefail", "-c"]
set positional-arguments

# nginx and PostgreSQL's servers are not on a user's PATH on Debian.
export PATH := justfile_directory() / ".venv/bin" + ":" + env("PATH", "/usr/bin:/bin") + ":/usr/local/sbin:/usr/sbin:/sbin"
export PYTHONUNBUFFERED := "1"

[private]
default:
    @just --list --unsorted

# ── the demo stack ──────────────────────────────────────────────────────────────────────────────

# Run everything on this machine: Redis, portal, worker, beat, two edges and an origin (Ctrl-C stops it)
[group('demo')]
[no-exit-message]
up:
    @exec python manage.py demo_up

# Stop what `just up` runs (from another terminal)
[group('demo')]
[no-exit-message]
down:
    @python manage.py demo down

# Show what runs, where and since when
[group('demo')]
[no-exit-message]
status:
    @python manage.py demo status

# Start a stopped process again: just start redis
[group('demo')]
[no-exit-message]
start NAME:
    @python manage.py demo start "$1"

# Stop one process and leave the others: just stop redis
[group('demo')]
[no-exit-message]
stop NAME:
    @python manage.py demo stop "$1"

# Stop one process and start it again: just restart edge-1
[group('demo')]
[no-exit-message]
restart NAME:
    @python manage.py demo restart "$1"

# Follow the logs of all processes, or of the named ones: just logs edge-1
[group('demo')]
[no-exit-message]
logs *NAMES:
    @exec python manage.py demo logs "$@"

# ── tests and checks ────────────────────────────────────────────────────────────────────────────

# A worker without tests takes some of the other one's, so that none is idle while a long file goes on. What
# does not touch the database cannot differ on PostgreSQL. The tests start hundreds of Pythons: let the
# first one keep what it has compiled, wherever a machine's environment forbids it.

# The whole test suite: on SQLite, then what touches the database on PostgreSQL, then luacheck
[group('tests')]
test: _servers
    PYTHONDONTWRITEBYTECODE= python -m pytest -q -n 2 --dist worksteal
    PYTHONDONTWRITEBYTECODE= python -m tests.postgres pytest -q -n 2 --dist worksteal -m database tests/accounts tests/alarms tests/api tests/domains tests/edge tests/nodes tests/dnszones/test_{admin,leaving,leaving_many,models,publishing,services,waiting,watching}.py tests/certificates/admin tests/certificates/deployment/test_{deploying,tending,uploading}.py tests/certificates/issuance/test_crashes.py tests/certificates/renewal/test_{cleaning,enrollments,settling,tending,tickets,watching}.py tests/site/test_{portal,health,metrics,schedule}.py
    @just lua

# Run pytest with arguments of yours: just pytest tests/edge -k outbox
[group('tests')]
pytest *ARGS:
    @exec python -m pytest "$@"

# Ask the API what its document allows, N made-up requests of each kind, from this seed: just strangers 1000 7
[group('tests')]
strangers N="100" SEED="1":
    STRANGERS="$1" STRANGERS_SEED="$2" python -m pytest -q tests/api/test_schemathesis.py

# Everything that a commit must pass beside the tests: format, lint, types, imports, Lua, settings, images
[group('tests')]
check: lua
    ruff format --check .
    ruff check .
    mypy .
    lint-imports
    CIRRUS_ENV_FILE=/dev/null CIRRUS_VAR_DIR=var/check CIRRUS_BEHIND_HTTPS=true python manage.py check --deploy --fail-level WARNING
    CIRRUS_ENV_FILE=/dev/null CIRRUS_VAR_DIR=var/check python manage.py makemigrations --check --dry-run
    just openapi var/check/openapi.yaml
    diff -u docs/openapi.yaml var/check/openapi.yaml
    python -m pytest -q tests/site/test_containers.py tests/site/test_env_example.py

# Write the API's OpenAPI document anew: docs/openapi.yaml
[group('project')]
openapi TO="docs/openapi.yaml":
    CIRRUS_ENV_FILE=/dev/null CIRRUS_VAR_DIR=var/check python manage.py spectacular --validate --fail-on-warn --file "$1"

# Lint the edge's Lua
[group('tests')]
lua:
    luacheck --std ngx_lua --quiet edge/lua

# Format the code
[group('tests')]
fmt:
    ruff check --fix-only --quiet .
    ruff format .

# Measure something and write var/bench/NAME.json: just bench edge
[group('tests')]
bench *NAME:
    @exec python -m tests.bench "$@"

# Fails with a sentence where a server that the tests start is not installed.
_servers:
    #!/usr/bin/env bash
    set -eu
    for server in redis-server nginx nsd pebble dig named-checkzone luacheck wrk chromium; do
      command -v "$server" >/dev/null || { echo "$server is not installed; ./dev test installs it." >&2; exit 1; }
    done
    compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null ||
      { echo "PostgreSQL is not installed; ./dev test installs it." >&2; exit 1; }

# ── the rest ────────────────────────────────────────────────────────────────────────────────────

# Run a command of Django: just manage createsuperuser
[group('project')]
manage *ARGS:
    @exec python manage.py "$@"

# Pin the requirements anew: requirements/*.in → *.txt, with hashes, for Python 3.11 to 3.13
[group('project')]
lock *ARGS:
    #!/usr/bin/env bash
    set -euo pipefail
    cd requirements
    export UV_CUSTOM_COMPILE_COMMAND="just lock"
    for set in runtime dev; do
      uv pip compile --quiet --universal --python-version 3.11 --generate-hashes "$set.in" -o "$set.txt" "$@"
    done
    ! grep -nE '^(-i|-f|--(extra-)?index-url|--find-links)|://' ./*.txt
