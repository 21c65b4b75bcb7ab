"""The one settings object: what it reads, what it refuses, and what it never shows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from pointsman.base.errors import Problem, SettingsError
from pointsman.settings import ApiSettings, Process, Settings, child_environment, load, variables

DATABASE = {"DATABASE_URL": "postgresql://me:s3cret@db:5432/pointsman"}


def refusal(process: Process, environ: Mapping[str, str]) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        load(process, environ)
    return caught.value


def test_an_empty_environment_gives_the_defaults() -> None:
    assert load("coordinator", {}) == Settings()


def test_settings_made_in_code_ignore_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a variable in the environment of this very process
    monkeypatch.setenv("PORT", "9999")
    # Then only load reads it
    assert Settings().port == 8080
    assert load("coordinator").port == 9999


def test_every_documented_variable_reaches_its_own_field() -> None:
    # Given for each variable a value other than its default
    special = {
        "REDIS_URL": "redis://elsewhere:7000/1",
        "REDIS_HOST": "elsewhere",
        "REDIS_PORT": "7000",
        "DATABASE_URL": DATABASE["DATABASE_URL"],
        "LOG_LEVEL": "WARNING",
        "POINTSMAN_LOG_FORMAT": "console",
        "POINTSMAN_BLOB_URL": "s3://bucket/prefix",
        "POINTSMAN_CEL_ENGINE": "cel-python",
        "POINTSMAN_CRASH_AT": "before_apply:2",
        "POINTSMAN_API_KEYS_FILE": __file__,
        "POINTSMAN_API_URL": "http://elsewhere:8080",
        "POINTSMAN_COORDINATOR_CLAIM_IDLE_MS": "50000",
        "POINTSMAN_GRACE_PERIOD_MS": "40000",
        "POINTSMAN_SUPERVISOR_STUCK_AFTER_MS": "70000",
        "POINTSMAN_RETENTION_ARCHIVE": "true",
    }
    for variable in variables():
        environ = {variable.name: special.get(variable.name, "4321")}
        # When it alone is set
        settings = load("cli", environ)
        # Then its field, and no other, differs from the default
        holder = getattr(settings, variable.group) if variable.group else settings
        default = getattr(Settings(), variable.group) if variable.group else Settings()
        changed = {name for name in type(holder).model_fields if getattr(holder, name) != getattr(default, name)}
        assert changed == {variable.attribute}, variable.name


def test_an_empty_variable_counts_as_unset() -> None:
    assert load("coordinator", {"REDIS_URL": "", "PORT": ""}) == Settings()


def test_settings_can_not_be_changed_afterwards() -> None:
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.port = 1
    with pytest.raises(ValidationError):
        settings.coordinator.batch_size = 1


def test_all_problems_come_at_once_one_a_line() -> None:
    # When three things are wrong at the same time
    wrong = refusal(
        "api", {"PORT": "http", "POINTSMAN_COORDINATOR_BATCHSIZE": "3", "POINTSMAN_WORKER_CONCURRENCY": "0"}
    )
    # Then each has its line, with the process, the variable, what it is and what to do
    assert str(wrong).splitlines() == [
        "CFG002 api: POINTSMAN_COORDINATOR_BATCHSIZE is no setting, so it would change nothing. "
        "Did you mean POINTSMAN_COORDINATOR_BATCH_SIZE?",
        "CFG001 api: PORT is 'http', which cannot be used: "
        "Input should be a valid integer, unable to parse string as an integer.",
        "CFG001 api: POINTSMAN_WORKER_CONCURRENCY is '0', which cannot be used: "
        "Input should be greater than or equal to 1.",
    ]
    assert [problem.code for problem in wrong.problems] == ["CFG002", "CFG001", "CFG001"]
    assert wrong.code == "CFG002"


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("POINTSMAN_REDIS_URL", "REDIS_URL"),
        ("POINTSMAN_LOGFORMAT", "POINTSMAN_LOG_FORMAT"),
        ("POINTSMAN_WORKER_CONCURENCY", "POINTSMAN_WORKER_CONCURRENCY"),
        ("POINTSMAN_FLUX_CAPACITOR", None),
    ],
)
def test_an_unknown_name_gets_the_nearest_known_one(name: str, suggestion: str | None) -> None:
    assert refusal("cli", {name: "x"}).problems == (
        Problem("CFG002", "cli", f"{name} is no setting, so it would change nothing.", None, suggestion),
    )


def test_variables_of_the_test_suite_are_nobodys_business() -> None:
    assert load("coordinator", {"POINTSMAN_TEST_REDIS_URL": "redis://x"}) == Settings()


@pytest.mark.parametrize("process", ["api", "supervisor"])
def test_a_process_that_needs_postgres_says_so(process: Process) -> None:
    assert [problem.code for problem in refusal(process, {}).problems] == ["CFG003"]


@pytest.mark.parametrize("process", ["coordinator", "worker", "cli", "dev"])
def test_a_process_without_postgres_starts_without_it(process: Process) -> None:
    assert load(process, {}) == Settings()


def test_two_names_for_two_different_redises_are_refused() -> None:
    both = {"REDIS_URL": "redis://one:6379/0", "REDIS_HOST": "two"}
    assert str(refusal("coordinator", both)) == (
        "CFG004 coordinator: REDIS_HOST is two, but REDIS_URL says one: it is unclear which Redis is meant. "
        "Unset one of them."
    )


def test_two_names_for_the_same_redis_are_fine() -> None:
    same = {"REDIS_URL": "redis://one/0", "REDIS_HOST": "one", "REDIS_PORT": "6379"}
    assert load("coordinator", same).redis_dsn == "redis://one/0"


def test_a_url_of_several_nodes_is_taken_as_it_stands() -> None:
    several = {"REDIS_URL": "redis://:secret@one:7000,two:7001/0"}
    assert load("coordinator", several).redis_dsn == several["REDIS_URL"]
    assert load("coordinator", {**several, "REDIS_HOST": "two"}).redis_dsn == several["REDIS_URL"]
    assert str(refusal("coordinator", {**several, "REDIS_HOST": "three"})) == (
        "CFG004 coordinator: REDIS_HOST is three, but REDIS_URL says one, two: it is unclear which Redis is meant. "
        "Unset one of them."
    )


@pytest.mark.parametrize(
    ("process", "environ", "code"),
    [
        ("coordinator", {"POINTSMAN_COORDINATOR_CLAIM_IDLE_MS": "10000"}, "CFG005"),
        ("worker", {"POINTSMAN_WORKER_HEARTBEAT_MS": "15001"}, "CFG007"),
    ],
)
def test_two_spans_that_do_not_fit_are_refused(process: Process, environ: dict[str, str], code: str) -> None:
    # Given spans that do harm together, though each is fine alone
    wrong = refusal(process, DATABASE | environ)
    # Then the process they concern does not start, and one they do not concern does
    assert [problem.code for problem in wrong.problems] == [code]
    assert next(iter(environ)) in wrong.message
    load("cli", environ)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "pointsman.example"])
def test_an_open_api_without_credentials_is_refused(host: str) -> None:
    wrong = refusal("api", DATABASE | {"POINTSMAN_API_HOST": host})
    assert [problem.code for problem in wrong.problems] == ["CFG008"]
    assert f"POINTSMAN_API_HOST is {host}" in wrong.message


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"])
def test_a_loopback_api_needs_no_credentials_at_all(host: str) -> None:
    assert load("api", DATABASE | {"POINTSMAN_API_HOST": host}).api.host == host


def test_an_open_api_with_a_key_is_fine() -> None:
    settings = load("api", DATABASE | {"POINTSMAN_API_HOST": "0.0.0.0", "POINTSMAN_API_KEY": "k"})
    assert settings.api == ApiSettings(host="0.0.0.0", key=SecretStr("k"))


def test_a_missing_file_of_keys_is_found_before_start(tmp_path: Path) -> None:
    missing = tmp_path / "keys.toml"
    wrong = refusal("api", DATABASE | {"POINTSMAN_API_KEYS_FILE": str(missing)})
    assert [problem.code for problem in wrong.problems] == ["CFG009"]


def test_secrets_are_never_printed_or_put_in_errors() -> None:
    # Given a secret in every place that takes one
    secrets = {
        "REDIS_URL": "redis://me:hunter2@h:1/0",
        "REDIS_PASSWORD": "hunter2",
        "DATABASE_URL": "postgresql://me:hunter2@h/d",
        "POINTSMAN_API_KEY": "hunter2",
    }
    settings = load("api", secrets)
    # Then neither the object nor what serialises it shows them
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump_json()}"
    # Nor does the refusal of a wrong one
    for name in ("REDIS_URL", "DATABASE_URL"):
        wrong = refusal("cli", {name: "mysql://me:hunter2@h/d"})
        assert "hunter2" not in f"{wrong} {wrong!r} {wrong.problems}"
        assert wrong.__suppress_context__


@pytest.mark.parametrize(
    ("environ", "dsn"),
    [
        ({}, "redis://127.0.0.1:6379/0"),
        ({"REDIS_HOST": "r", "REDIS_PORT": "7"}, "redis://r:7/0"),
        ({"REDIS_HOST": "::1"}, "redis://[::1]:6379/0"),
        ({"REDIS_PASSWORD": "a/b@c"}, "redis://:a%2Fb%40c@127.0.0.1:6379/0"),
        ({"REDIS_URL": "rediss://r:7/2"}, "rediss://r:7/2"),
        ({"REDIS_URL": "redis://r:7/2", "REDIS_PASSWORD": "p"}, "redis://:p@r:7/2"),
        ({"REDIS_URL": "redis://me@r:7/2", "REDIS_PASSWORD": "p"}, "redis://me:p@r:7/2"),
        ({"REDIS_URL": "redis://me:q@r:7/2", "REDIS_PASSWORD": "p"}, "redis://me:q@r:7/2"),
        ({"REDIS_URL": "unix:///run/redis.sock"}, "unix:///run/redis.sock"),
        ({"REDIS_URL": "unix:///run/redis.sock", "REDIS_PASSWORD": "p"}, "unix://:p@/run/redis.sock"),
    ],
)
def test_the_url_for_redis_is_put_together_once(environ: dict[str, str], dsn: str) -> None:
    assert load("coordinator", environ).redis_dsn == dsn


def test_asking_for_postgres_that_is_not_named_is_an_error() -> None:
    with pytest.raises(SettingsError, match="CFG003"):
        _ = Settings().database_dsn
    assert load("api", DATABASE).database_dsn == DATABASE["DATABASE_URL"]


def test_large_outputs_go_below_the_data_directory_by_default(tmp_path: Path) -> None:
    assert Settings(data_dir=tmp_path).blob_store_url == f"file://{tmp_path}/blobs"
    assert Settings(blob_url="s3://bucket").blob_store_url == "s3://bucket"


def test_private_hosts_are_a_list_separated_by_commas() -> None:
    assert load("worker", {"POINTSMAN_HTTP_ALLOW": "a.example, 10.0.0.0/8,"}).http.allow == ("a.example", "10.0.0.0/8")


def test_an_unknown_crash_point_is_refused_by_name() -> None:
    assert "known: after_read" in str(refusal("coordinator", {"POINTSMAN_CRASH_AT": "lunch"}))


def test_a_child_gets_this_environment_with_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "debug")
    assert child_environment({"PORT": "1"}).items() >= {"LOG_LEVEL": "debug", "PORT": "1"}.items()


def test_every_variable_has_a_description_and_one_name() -> None:
    names = [variable.name for variable in variables()]
    assert len(names) == len(set(names))
    assert [variable.name for variable in variables() if not variable.field.description] == []
