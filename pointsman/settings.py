"""The settings of every process: one frozen object, checked across its fields before anything starts.

This is the only module that reads the environment. `Settings(...)` takes its arguments and defaults alone; `load` adds
the environment. `docs/reference/settings.md` is generated from the models here.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from pointsman.base.crashpoints import Crasher
from pointsman.base.errors import Problem, SettingsError

Process = Literal["api", "coordinator", "supervisor", "worker", "agent", "cli", "dev"]
"""Whose settings are checked: what is wrong for one process may be of no interest to another."""

PREFIX: Final = "POINTSMAN_"
FOR_TESTS: Final = "POINTSMAN_TEST_"
"""Variables of the test suite; no process reads them."""
FOR_SECRETS: Final = "POINTSMAN_SECRET_"
"""Variables of workers: what `secret://name` in a config stands for."""

NEEDS_DATABASE: Final[frozenset[Process]] = frozenset({"api", "supervisor"})

Port = Annotated[int, Field(ge=0, le=65_535)]
Count = Annotated[int, Field(ge=1)]
Span = Annotated[int, Field(ge=1, le=86_400_000)]
Pause = Annotated[int, Field(ge=0, le=60_000)]
Size = Annotated[int, Field(ge=1, le=1 << 30)]

METRICS_PORT: Final = "Port of `/metrics`, `/healthz` and `/readyz`; 0 opens none."


class Group(BaseModel):
    """The settings of one process or concern."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ApiSettings(Group):
    """The HTTP API. Its port is the variable `PORT`."""

    host: str = Field(
        default="127.0.0.1", description="Address the API listens on. Anything but loopback needs credentials."
    )
    key: SecretStr | None = Field(default=None, description="One API key that may do everything; for a single user.")
    keys_file: Path | None = Field(
        default=None, description="File of API keys, a line each: the caller's name and the key's Argon2 hash."
    )
    max_requests: Count = Field(
        default=256,
        description="Requests served at the same time, event streams aside; the others are told to come again. One "
        "caller has at most half of them.",
    )
    max_queued_runs: Count = Field(
        default=200_000, description="Runs of one API key that wait to be started, at most; no more are accepted then."
    )
    url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/]",
        description="Where the command line, and workers that ask for edit tokens, find the API; default: the one that "
        "`pointsman dev` started, else `http://127.0.0.1:<PORT>`.",
    )


class CoordinatorSettings(Group):
    """The loop that takes signals, steps runs and applies the transitions."""

    batch_size: Count = Field(default=256, description="Signals read at once.")
    block_ms: Span = Field(default=1_000, description="How long one read waits for signals.")
    claim_idle_ms: Span = Field(
        default=15_000,
        description="A signal that another coordinator has held this long is taken over: its holder is dead.",
    )
    cache_runs: Count = Field(
        default=4_096, description="Runs whose snapshot is kept in memory; the least recently used go."
    )
    inline_limit_bytes: Size = Field(default=32_768, description="Outputs above this go to the blob store.")
    max_signal_bytes: Size = Field(default=8 << 20, description="Signals above this are set aside.")
    metrics_port: Port = Field(default=0, description=METRICS_PORT)


class SupervisorSettings(Group):
    """Timers, reclaim, the journal, completion and reconciliation."""

    timer_batch: Count = Field(default=256, description="Due timers claimed at once.")
    journal_batch: Count = Field(default=500, description="Events written to Postgres in one statement, at most.")
    journal_linger_ms: Pause = Field(default=5, description="How long the journal waits for a batch to fill.")
    lease_ttl_ms: Span = Field(
        default=5_000, description="How long a supervisor's duty stays its own after its last renewal."
    )
    reconcile_interval_ms: Span = Field(
        default=5_000,
        description="How often Postgres and Redis are compared, and what was accepted but not started is started.",
    )
    stuck_after_ms: Span = Field(
        default=4_000, description="A run that waits for nothing this long is stuck; it is found twice as late at most."
    )
    metrics_port: Port = Field(default=0, description=METRICS_PORT)


class WorkerSettings(Group):
    """Worker processes made with the SDK. `secret://name` in a config is their variable `POINTSMAN_SECRET_<NAME>`."""

    concurrency: Count = Field(default=16, description="Tasks handled at the same time.")
    lease_ms: Span = Field(
        default=30_000, description="A worker silent this long is dead; its tasks are handed out again."
    )
    heartbeat_ms: Span = Field(default=5_000, description="How often a worker renews its lease.")
    metrics_port: Port = Field(default=0, description=METRICS_PORT)


class RetentionSettings(Group):
    """What is removed, and when. The supervisor does it."""

    days: int = Field(
        default=0,
        ge=0,
        le=36_500,
        description="Days that finished runs and idempotency keys stay in Postgres; 0: for ever.",
    )
    archive: bool = Field(default=False, description="Write each run to the blob store, whole, before it is removed.")
    blob_grace_hours: Count = Field(
        default=24,
        description="Where finished runs are removed: how long a blob is kept after it was written, and after the last "
        "run that refers to it was removed. Longer than a result may be on its way, or be read and not used yet.",
    )


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


class HttpSettings(Group):
    """The built-in `http` worker."""

    allow: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=(),
        description="Private hosts and networks it may call, separated by commas: `intranet.example, 10.1.0.0/16`.",
    )


class EditSettings(Group):
    """Edits of running runs: what they may make of one run, and what edit tokens may do that tasks are issued."""

    max_operations: Count = Field(
        default=200, description="Operations in a patch, once a pattern or merge patch has become operations."
    )
    max_patches: Count = Field(default=1_000, description="Patches that one run takes.")
    max_nodes: Count = Field(
        default=2_000, description="Nodes of a definition after a patch; one that has more may become smaller."
    )
    node_types: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=(),
        description="Types that patches may add nodes with or change nodes to, separated by commas, control types "
        "aside; none named: all.",
    )
    max_agent_nodes: Count = Field(
        default=100, description="Nodes of type `agent` that all patches of a run add together."
    )

    key_file: Path | None = Field(
        default=None,
        description="File of the key that edit tokens are signed with, the same for all API processes; default: "
        "`edit-token.key` in the data directory, made on first use.",
    )
    token_types: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=(),
        description="Node types, separated by commas, that a token may add besides that of its own task and "
        "`conditional`, `join`, `parallel`, `wait`.",
    )
    token_nodes: Count = Field(default=20, description="Nodes that the tokens of one task may add in all.")
    token_operations: Count = Field(default=100, description="Operations that the tokens of one task may send in all.")
    token_ttl_ms: Span = Field(default=3_600_000, description="How long a token counts, if its task takes that long.")


class LimitSettings(Group):
    """What one run may use, unless its definition asks for less."""

    max_nodes: Count = Field(default=10_000, description="Nodes in a plan.")
    max_tokens: Count = Field(default=100_000, description="Activations over the whole run, every pass counted.")
    max_loop_iterations: Count = Field(default=10_000, description="Passes over the whole run, all loops together.")
    max_duration_ms: Count | None = Field(
        default=None, description="How long a run may take; unset, as long as it likes."
    )


class Settings(BaseSettings):
    """Every setting of every process. Frozen; secrets are `SecretStr` and never printed."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=PREFIX,
        env_nested_delimiter="_",
        env_nested_max_split=1,
        populate_by_name=True,
    )

    redis_host: str = Field(default="127.0.0.1", validation_alias="REDIS_HOST", description="Host of Redis.")
    redis_port: Port = Field(default=6379, validation_alias="REDIS_PORT", description="Port of Redis.")
    redis_password: SecretStr | None = Field(
        default=None, validation_alias="REDIS_PASSWORD", description="Password of Redis."
    )
    redis_url: SecretStr | None = Field(
        default=None,
        validation_alias="REDIS_URL",
        description="`redis://`, `rediss://` or `unix://` URL of Redis, in place of host and port; several nodes of a "
        "cluster are separated by commas: `redis://one:6379,two:6379`.",
    )
    partitions: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=1,
        description="Parts that runs are divided into, the same for every process. A Redis Cluster needs several, and "
        "so do coordinators that are not to meet on a run.",
    )
    database_url: SecretStr | None = Field(
        default=None,
        validation_alias="DATABASE_URL",
        description="`postgresql://` URL of Postgres. The API and the supervisor need it.",
    )
    port: Port = Field(default=8080, validation_alias="PORT", description="Port of the API.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", validation_alias="LOG_LEVEL", description="Least level that is logged."
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="One JSON object a line, or lines for people."
    )
    data_dir: Path = Field(
        default=Path(".pointsman"), description="Where embedded servers and the default blob store keep data."
    )
    blob_url: str | None = Field(
        default=None,
        pattern=r"^[a-z][a-z0-9+.-]*://",
        description="Blob store for large outputs (`file://`, `s3://`, `gs://`, `az://`); default: `blobs` in the data "
        "directory.",
    )
    cel_engine: Literal["auto", "cel-cpp", "cel-python"] = Field(
        default="auto", description="Engine for new runs' expressions; `auto` takes cel-cpp where it is installed."
    )
    grace_period_ms: Span = Field(default=10_000, description="How long a process may finish its work after SIGTERM.")
    max_unread_tasks: Count = Field(
        default=10_000,
        description="A run is started while fewer tasks than this wait for workers where its first ones would; else it "
        "stays QUEUED, and runs are started in turn between those who sent them.",
    )
    metrics_host: str = Field(default="127.0.0.1", description="Address that every `metrics_port` listens on.")
    crash_at: str | None = Field(
        default=None, description="For fault tests: `<crash point>[:<n>]`, where the process kills itself."
    )

    api: ApiSettings = ApiSettings()
    coordinator: CoordinatorSettings = CoordinatorSettings()
    supervisor: SupervisorSettings = SupervisorSettings()
    worker: WorkerSettings = WorkerSettings()
    http: HttpSettings = HttpSettings()
    edits: EditSettings = EditSettings()
    limits: LimitSettings = LimitSettings()
    retention: RetentionSettings = RetentionSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what the caller passes: the environment comes in through `load`, as an argument."""
        return (init_settings,)

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("crash_at")
    @classmethod
    def _known_point(cls, value: str | None) -> str | None:
        Crasher(value)
        return value

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, value: SecretStr | None) -> SecretStr | None:
        return _with_scheme(value, ("redis", "rediss", "unix"))

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, value: SecretStr | None) -> SecretStr | None:
        return _with_scheme(value, ("postgresql", "postgres"))

    @property
    def redis_dsn(self) -> str:
        """The URL to connect to Redis with, password included: for clients, never for print."""
        password = self.redis_password.get_secret_value() if self.redis_password else ""
        if self.redis_url is None:
            secret = f":{quote(password, safe='')}@" if password else ""
            return f"redis://{secret}{_bracketed(self.redis_host)}:{self.redis_port}/0"
        url = self.redis_url.get_secret_value()
        parts = urlsplit(url)
        if not password or parts.password is not None:
            return url
        user = parts.username or ""
        return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{parts.netloc.rpartition('@')[2]}"))

    @property
    def database_dsn(self) -> str:
        """The URL to connect to Postgres with, password included. `load` has made sure that there is one."""
        if self.database_url is None:
            raise SettingsError("CFG003", "DATABASE_URL is not set, and this needs Postgres. Set it and start again.")
        return self.database_url.get_secret_value()

    @property
    def blob_store_url(self) -> str:
        """Where large outputs go: what was asked for, else a directory in the data directory."""
        return self.blob_url or (self.data_dir.resolve() / "blobs").as_uri()

    @property
    def has_credentials(self) -> bool:
        """Whether API callers can be told apart."""
        return self.api.key is not None or self.api.keys_file is not None


class Variable(NamedTuple):
    """One environment variable: where its value goes, and the field that says what it may be."""

    name: str
    group: str
    """Empty for the settings that all processes share."""
    attribute: str
    field: FieldInfo

    @property
    def is_secret(self) -> bool:
        """Whether its value must not be shown."""
        return "SecretStr" in str(self.field.annotation)


def variables() -> Iterator[Variable]:
    """Every variable that is read, in the order of the models."""
    for attribute, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Group):
            for inner, nested in field.annotation.model_fields.items():
                yield Variable(f"{PREFIX}{attribute}_{inner}".upper(), attribute, inner, nested)
        else:
            name = field.validation_alias if isinstance(field.validation_alias, str) else f"{PREFIX}{attribute}".upper()
            yield Variable(name, "", attribute, field)


def load(process: Process, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings of `process` from the environment (or `environ`) and check them.

    Raises:
        SettingsError: With one problem for each thing wrong, all of them; its text is one line a problem.
    """
    environ = os.environ if environ is None else environ
    problems = list(_unknown(process, environ))
    try:
        settings = Settings(**_Environment(environ)())
    except ValidationError as wrong:
        raise _refusal([*problems, *_unreadable(process, wrong, environ)]) from None
    problems += check(process, settings)
    if problems:
        raise _refusal(problems)
    return settings


def secrets(environ: Mapping[str, str] | None = None) -> dict[str, SecretStr]:
    """The secrets of a worker by name, from the variables `POINTSMAN_SECRET_<NAME>`."""
    environ = os.environ if environ is None else environ
    return {
        name.removeprefix(FOR_SECRETS): SecretStr(value)
        for name, value in environ.items()
        if name.startswith(FOR_SECRETS)
    }


def child_environment(changes: Mapping[str, str]) -> dict[str, str]:
    """The environment for a process that this one starts: its own, with `changes`."""
    return {**os.environ, **changes}


def check(process: Process, settings: Settings) -> list[Problem]:
    """Everything about `settings` with which `process` must not start."""
    found = [*_servers(process, settings), *_spans(process, settings)]
    if process in ("api", "dev"):
        found += _exposure(settings)
    return [Problem(code, process, message) for code, message in found]


def _servers(process: Process, settings: Settings) -> Iterator[tuple[str, str]]:
    if process in NEEDS_DATABASE and settings.database_url is None:
        yield (
            "CFG003",
            "DATABASE_URL is not set, and this process needs Postgres. Set it to postgresql://user:password@host/database.",
        )
    if settings.redis_url is None:
        return
    named = _nodes(urlsplit(settings.redis_url.get_secret_value()))
    theirs = {
        "redis_host": [str(node.hostname) for node in named],
        "redis_port": [str(node.port or 6379) for node in named],
    }
    for attribute in sorted(settings.model_fields_set & theirs.keys()):
        mine, its = str(getattr(settings, attribute)), theirs[attribute]
        if mine not in its:
            yield (
                "CFG004",
                f"{attribute.upper()} is {mine}, but REDIS_URL says {', '.join(its)}: it is unclear which "
                "Redis is meant. "
                "Unset one of them.",
            )


def _nodes(url: SplitResult) -> list[SplitResult]:
    """The hosts and ports of a URL: several nodes of a cluster stand in one."""
    return [urlsplit(f"//{node.strip()}") for node in url.netloc.rpartition("@")[2].split(",")]


def _spans(process: Process, settings: Settings) -> Iterator[tuple[str, str]]:
    drain, claim = settings.grace_period_ms, settings.coordinator.claim_idle_ms
    beat, lease = settings.worker.heartbeat_ms, settings.worker.lease_ms
    if process in ("coordinator", "dev") and claim <= drain:
        yield (
            "CFG005",
            f"POINTSMAN_COORDINATOR_CLAIM_IDLE_MS ({claim}) must exceed POINTSMAN_GRACE_PERIOD_MS ({drain}), or the "
            "signals of a coordinator that is still draining are taken over and each is stepped twice.",
        )
    if process in ("worker", "agent", "dev") and beat * 2 > lease:
        yield (
            "CFG007",
            f"POINTSMAN_WORKER_HEARTBEAT_MS ({beat}) must be at most half of POINTSMAN_WORKER_LEASE_MS ({lease}), or "
            "one late heartbeat gives the worker's tasks to another while it still works on them.",
        )


def _exposure(settings: Settings) -> Iterator[tuple[str, str]]:
    host, keys = settings.api.host, settings.api.keys_file
    if not settings.has_credentials and not _is_loopback(host):
        yield (
            "CFG008",
            f"POINTSMAN_API_HOST is {host}, which others can reach, and no credentials are set: anyone could start and "
            "change runs. Set POINTSMAN_API_KEYS_FILE or POINTSMAN_API_KEY, or listen on 127.0.0.1.",
        )
    if keys is not None and not os.access(keys, os.R_OK):
        yield (
            "CFG009",
            f"POINTSMAN_API_KEYS_FILE is {keys}, which is not a file that can be read, so no caller could be let in. "
            "Create it or correct the path.",
        )


def _unknown(process: Process, environ: Mapping[str, str]) -> Iterator[Problem]:
    known = {variable.name for variable in variables()}
    for name in sorted(environ):
        if name.startswith(PREFIX) and not name.startswith((FOR_TESTS, FOR_SECRETS)) and name not in known:
            yield Problem(
                "CFG002", process, f"{name} is no setting, so it would change nothing.", None, _like(name, known)
            )


def _like(name: str, known: set[str]) -> str | None:
    # The prefix is shared by all: without it, what is compared is what was mistyped.
    shorter = {full.removeprefix(PREFIX): full for full in sorted(known)}
    close = difflib.get_close_matches(name.removeprefix(PREFIX), shorter, n=1, cutoff=0.8)
    return shorter[close[0]] if close else None


def _unreadable(process: Process, wrong: ValidationError, environ: Mapping[str, str]) -> Iterator[Problem]:
    by_place = {(v.group, v.attribute): v for v in variables()} | {("", v.name): v for v in variables()}
    for error in wrong.errors(include_url=False, include_context=False, include_input=False):
        path = [str(part) for part in error["loc"]]
        variable = by_place[(path[0], path[1]) if len(path) > 1 and (path[0], path[1]) in by_place else ("", path[0])]
        shown = "(not shown)" if variable.is_secret else repr(environ.get(variable.name, ""))
        reason = error["msg"].removeprefix("Value error, ")
        yield Problem("CFG001", process, f"{variable.name} is {shown}, which cannot be used: {reason}.")


def _refusal(problems: list[Problem]) -> SettingsError:
    first, *others = (str(problem) for problem in problems)
    text = "\n".join([first.removeprefix(f"{problems[0].code} "), *others])
    return SettingsError(problems[0].code, text, problems=tuple(problems))


def _with_scheme(url: SecretStr | None, schemes: tuple[str, ...]) -> SecretStr | None:
    if url is None:
        return None
    try:
        parts = urlsplit(url.get_secret_value())
        ports = [node.port for node in _nodes(parts)]
    except ValueError:
        raise ValueError("it is no URL") from None
    if parts.scheme not in schemes:
        raise ValueError(f"it must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if 0 in ports:
        raise ValueError("port 0 cannot be connected to")
    return url


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class _Environment(EnvSettingsSource):
    """Reads a mapping that was passed in, so that tests need no process-wide environment."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        known = {variable.name for variable in variables()}
        # The base class looks names up in lower case. An empty variable is an unset one, as in a compose file.
        self._environ = {name.lower(): value for name, value in environ.items() if name in known and value}
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._environ
