"""What stands between `just up` and a running demo, and what it writes."""

import os
import socket
import stat
import subprocess
import sys

import pytest
import requests
from django.core.management import call_command

from certificates.models import Authority, Enrollment
from cirrus_site.config import read_config
from cirrus_site.demo import authority, control, origin, preflight, seed, stack
from cirrus_site.demo.errors import DemoBlocked, DemoError
from cirrus_site.demo.programs import programs
from cirrus_site.demo.redis_server import redis_config, write_redis_config
from cirrus_site.demo.seed import demo_seed
from domains.models import Domain
from nodes.models import Node, Region
from tests.servers import ROOT, binary, eventually, free_port


def free_ports():
    """Every port of the demo, none of which anybody has."""
    ports = {
        "CIRRUS_WEB_PORT": free_port(),
        "CIRRUS_DEMO_REDIS_PORT": free_port(),
        "CIRRUS_DEMO_ORIGIN_PORT": free_port(),
        "CIRRUS_DEMO_HTTP_PORT": free_port(),
        "CIRRUS_DEMO_DNS_PORT": free_port(),
        "CIRRUS_DEMO_VERIFY_PORT": free_port(),
        "CIRRUS_DEMO_HTTPS_PORT": free_port(),
        "CIRRUS_DEMO_CA_PORT": free_port(),
        "CIRRUS_DEMO_CA_ROOTS_PORT": free_port(),
        "CIRRUS_DNS_BIND": f"127.0.0.1:{free_port()}",
        "CIRRUS_DEMO_EDGE_PORTS": f"{free_port()} {free_port()}",
        "CIRRUS_DEMO_STATUS_PORTS": f"{free_port()} {free_port()}",
    }
    return {name: str(port) for name, port in ports.items()}


def config_in(folder, **settings):
    """The demo's settings with a folder of its own and ports that are free."""
    given = {**free_ports(), "CIRRUS_VAR_DIR": folder, **settings}
    return read_config({name: str(value) for name, value in given.items()})


def test_nothing_is_in_the_way_on_this_machine(tmp_path):
    config = config_in(tmp_path)
    assert preflight.problems(config, programs(config)) == []


def test_a_busy_port_is_a_sentence_with_its_holder_and_its_setting(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        config = config_in(tmp_path, CIRRUS_DEMO_REDIS_PORT=port)
        (sentence,) = preflight.problems(config, programs(config))
    assert sentence.startswith(f"port {port} for redis is taken by ")
    assert f"(pid {os.getpid()})" in sentence
    assert sentence.endswith("; CIRRUS_DEMO_REDIS_PORT changes it.")


def test_every_problem_is_listed_at_once(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        config = config_in(tmp_path, CIRRUS_WEB_PORT=port, CIRRUS_DEMO_ORIGIN_PORT=port)
        with pytest.raises(DemoBlocked) as refusal:
            stack.check(config)
    assert str(refusal.value).startswith("Cirrus cannot start:\n  - web and origin would share port ")
    assert f"\n  - port {port} for web is taken" in str(refusal.value)
    assert f"\n  - port {port} for origin is taken" in str(refusal.value)


def test_a_missing_server_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("cirrus_site.demo.redis_server.SBIN", str(tmp_path))
    assert "redis-server is not installed; `./dev up` installs what is missing." in (
        preflight.missing_servers(config_in(tmp_path))
    )


def test_one_port_for_two_is_noticed(tmp_path):
    port = free_port()
    config = config_in(tmp_path, CIRRUS_WEB_PORT=port, CIRRUS_DEMO_ORIGIN_PORT=port)
    assert preflight.problems(config, programs(config)) == [
        f"web and origin would share port {port}; CIRRUS_WEB_PORT or CIRRUS_DEMO_ORIGIN_PORT changes it."
    ]


def test_an_address_of_another_machine_is_a_sentence(tmp_path):
    config = config_in(tmp_path, CIRRUS_WEB_BIND="192.0.2.1")
    (sentence,) = preflight.problems(config, programs(config))
    assert "of 192.0.2.1 cannot be used (Cannot assign requested address)" in sentence


def test_a_redis_of_ones_own_replaces_the_demos(tmp_path):
    config = config_in(tmp_path, REDIS_URL="redis://127.0.0.1:1")
    assert "redis" not in [program.name for program in programs(config)]


def test_only_one_demo_runs_in_a_folder(tmp_path):
    config = config_in(tmp_path)
    with stack.only_one(config):
        assert control.manager_pid(config) == os.getpid()
        with (
            pytest.raises(DemoError, match=f"running already \\(pid {os.getpid()}\\)"),
            stack.only_one(config),
        ):
            pass
    assert control.manager_pid(config) == 0


def test_orders_to_a_demo_that_does_not_run_are_answered(tmp_path):
    config = config_in(tmp_path)
    assert control.stack_stop(config) == "Nothing to stop: Cirrus is not running."
    with pytest.raises(DemoError, match="not running; `just up` starts it"):
        control.process_stop(config, "redis")


def test_the_password_of_redis_stays_and_is_in_no_command_line(tmp_path):
    config = config_in(tmp_path)
    (tmp_path / "demo").mkdir()
    write_redis_config(config)
    first = redis_config(config).read_text()
    write_redis_config(config)
    assert redis_config(config).read_text() == first
    assert stat.S_IMODE(redis_config(config).stat().st_mode) == 0o600
    password = (tmp_path / "secrets" / "redis_password").read_text().strip()
    assert password in first
    assert all(password not in word for program in programs(config) for word in program.command)


def test_the_settings_of_the_demo_are_written_once_and_then_ones_own(tmp_path):
    config = config_in(tmp_path)
    (tmp_path / "demo").mkdir()
    stack.write_files(config)
    settings = tmp_path / "demo" / "settings.env"
    assert "CIRRUS_ORIGIN_ALLOW=127.0.0.0/8" in settings.read_text()
    settings.write_text("# mine\n")
    stack.write_files(config)
    assert settings.read_text() == "# mine\n"


def test_the_origin_has_hundreds_of_files_and_nginx_accepts_it_in_any_folder(tmp_path):
    folder = tmp_path / 'a "long" path' / ("x" * 120)
    config = config_in(folder)
    origin.write_origin(config)
    assert sum(len(origin.files(tree)) for tree in origin.trees().values()) >= 200
    done = subprocess.run(
        [binary("nginx"), "-t", "-c", str(origin.origin_config(config))], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_origin_has_news_with_a_tag(tmp_path):
    config = config_in(tmp_path)
    origin.write_origin(config)
    process = subprocess.Popen(origin.origin_command(config), stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{config.demo_origin_port}{origin.NEWS}"
        answer = eventually(lambda: requests.get(url, timeout=5))
        later = eventually(lambda: (text := requests.get(url, timeout=5).text) != answer.text and text)
    finally:
        process.terminate()
        process.wait(timeout=20)
    assert answer.headers["Cache-Tag"] == "news, all-pages"
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    assert answer.text.startswith("News of ") and later.startswith("News of ")


def test_the_authority_keeps_its_own_certificate_and_every_root_that_it_has_had(tmp_path):
    config = config_in(tmp_path)
    roots = []
    for _ in range(2):
        authority.write_authority(config)
        trusted = authority.trusted_by(config)
        environment = {**os.environ, **authority.ENVIRONMENT}
        process = subprocess.Popen(
            authority.authority_command(config),
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            eventually(lambda: answers(config))
            for _ in range(2):
                roots.append(authority.keep_roots(config).read_text())
        finally:
            process.terminate()
            process.wait(timeout=20)
    assert trusted == authority.trusted_by(config)
    assert [text.count("BEGIN CERTIFICATE") for text in roots] == [1, 1, 2, 2]
    assert roots[3].endswith(roots[0])
    key = authority.authority_folder(config) / "key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def answers(config):
    try:
        authority.authority_answers(config)
    except OSError:
        return False
    return True


@pytest.fixture
def seeding(tmp_path):
    """The settings of a demo whose files are there."""
    config = config_in(tmp_path)
    authority.write_authority(config)
    return config


@pytest.mark.django_db
def test_an_empty_database_gets_two_edges_that_serve_and_two_domains(seeding):
    config = seeding
    assert demo_seed(config)
    assert [node.name for node in Node.objects.serving()] == ["edge-1", "edge-2"]
    for domain in Domain.objects.all():
        domain.full_clean()
    domain = Domain.objects.get(host="www.demo.test")
    assert sorted(domain.hostnames.values_list("name", flat=True)) == [
        *("demo.test", "shop.demo.test", "www.demo.test")
    ]
    assert str(domain.origins.get()) == f"http://127.0.0.1:{config.demo_origin_port}"
    rule = domain.rules.get()
    rule.full_clean()
    rule.conditions.get().full_clean()
    assert rule.keeping
    trusted = Authority.objects.get()
    trusted.full_clean()
    seed.https_turn_on(Domain.objects.get(host=seed.STATIC, tls=False))
    wanted = Enrollment.objects.values_list("domain__host", "challenge")
    assert dict(wanted) == {"www.demo.test": "dns-01", "static.demo.test": "http-01"}


@pytest.mark.django_db
def test_what_an_operator_has_made_is_left_alone(tmp_path):
    Region.objects.create(name="eu")
    assert not demo_seed(config_in(tmp_path))
    assert not Domain.objects.exists()


@pytest.mark.django_db
def test_a_removed_demo_domain_stays_removed(seeding):
    demo_seed(seeding)
    Domain.objects.all().delete()
    assert not demo_seed(seeding)
    assert not Domain.objects.exists()


def test_the_logs_of_an_unknown_process_are_a_sentence():
    # No redis among them: the tests have one of their own.
    with pytest.raises(SystemExit, match="There is no nobody; there are logs of web, worker"):
        call_command("demo", "logs", "nobody")


def test_a_database_that_is_not_there_is_a_sentence(tmp_path):
    wanted = {
        "DJANGO_SETTINGS_MODULE": "cirrus_site.settings",
        "CIRRUS_VAR_DIR": str(tmp_path),
        "DATABASE_URL": f"postgres://nobody:hidden-word@127.0.0.1:{free_port()}/cirrus",
    }
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "demo_up"],
        env={**os.environ, **free_ports(), **wanted},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "The database cannot be used: " in done.stderr
    assert "Traceback" not in done.stderr
    assert "hidden-word" not in done.stdout + done.stderr
