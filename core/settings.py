"""All settings: `lorekeeper.toml`, then the environment (`LOREKEEPER_…` with `__` between levels), which wins.

Built once, by `load()`. Secrets are `SecretStr`, so that printing settings never prints them. An unknown key is an
error that names the nearest known one, because a setting that is silently ignored costs an evening.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from core.errors import InvalidSettings
from core.settings_channels import Discord, NamespaceName, Slack
from core.settings_documents import Embedding, History, Jobs, Parse, Section, Sources, Split
from core.settings_secrets import SUFFIX, from_files

ENV_PREFIX = "LOREKEEPER_"
# Read by the command itself before there are settings, so they are no settings.
ENV_BESIDE_SETTINGS = frozenset({"LOREKEEPER_CONFIG"})
PLATFORM_NAMES = {
    "SLACK_BOT_TOKEN": ("slack", "bot_token"),
    "SLACK_APP_TOKEN": ("slack", "app_token"),
    "SLACK_SIGNING_SECRET": ("slack", "signing_secret"),
    "DISCORD_TOKEN": ("discord", "token"),
}


def _folder(value: Any) -> Path:
    if not isinstance(value, str | Path) or not str(value):
        raise ValueError("should be the path of a folder")
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise ValueError(str(error)) from error


Folder = Annotated[Path, BeforeValidator(_folder)]


class Server(Section):
    """The HTTP gateway and the web chat."""

    host: str = Field(
        "127.0.0.1", description="Address to listen on. Other than loopback, it needs a key: lorekeeper keys create."
    )
    port: int = Field(8080, ge=0, le=65535)
    max_upload_mb: int = Field(100, ge=1, description="Largest accepted file, in MB.")
    request_seconds: float = Field(120.0, gt=0, description="Longest time one question may take, in seconds.")
    public_url: str = Field(
        "",
        pattern=r"^(https?://[^/\s]+/?)?$",
        description="Where people reach it, if a proxy is in between: https://lore.example.org",
    )
    trusted_proxies: str = Field(
        "127.0.0.1", description="Addresses of proxies, by commas, that may say who the client is; * for all."
    )
    max_requests: int = Field(256, ge=1, description="Requests at once; more are answered with status 503.")
    max_answers: int = Field(32, ge=1, description="Answers in the making at once; more are answered with status 503.")
    requests_per_minute_per_key: float = Field(1200, gt=0, description="A question counts as ten requests.")
    requests_per_minute_per_address: float = Field(
        300, gt=0, description="The same for one address, with whatever key; this machine without keys has no limit."
    )
    probe_host: str = Field("127.0.0.1", description="Address of the probe; keep it out of reach of strangers.")
    probe_port: int = Field(
        0, ge=0, le=65535, description="Serves /healthz, /readyz and /metrics of this process without a key. 0: off."
    )


class Database(Section):
    """The record of documents and conversations."""

    url: SecretStr = Field(
        SecretStr(""),
        description="Empty: SQLite in the data folder. Postgres: postgresql+psycopg://user:password@host/name",
    )


class Chroma(Section):
    """The dense index."""

    url: str = Field("", description="Empty: embedded, in the data folder. A server: http://host:8000")
    token: SecretStr = Field(SecretStr(""), description="Bearer token of the Chroma server, if it asks for one.")


class Retrieval(Section):
    """How passages are found."""

    candidates: int = Field(30, ge=5, le=1000, description="Chunks taken from each index before fusion.")
    passages: int = Field(8, ge=1, le=50, description="Passages given to the answer.")
    lexical_weight: float = Field(
        0.19,
        ge=0,
        le=1,
        description="Share of word search in a question's score; the rest is dense. A statement's is 1.8 times as large.",
    )
    reranker: str = Field(
        "", description="A cross-encoder (folder or hub name) that reorders the passages. Empty: none."
    )
    min_confidence: float = Field(
        -1.0, ge=-1, le=1, description="Below it, no answer. -1: the threshold fitted on the evaluation data."
    )


class Generation(Section):
    """Who writes the answer."""

    mode: Literal["auto", "chat", "extractive"] = Field(
        "auto", description="auto: the model at base_url while it is up, else sentences quoted from the documents."
    )
    base_url: str = Field("", description="An OpenAI-compatible server such as vLLM: http://127.0.0.1:8000/v1")
    model: str = Field("", description="Name of the model there. Empty: the first one it lists.")
    api_key: SecretStr = SecretStr("")
    context_tokens: int = Field(4096, ge=1024, description="The model's window; passages beyond it are left out.")
    max_tokens: int = Field(512, ge=16, description="Longest answer, in tokens.")
    temperature: float = Field(0.0, ge=0, le=2)
    connect_seconds: float = Field(3.0, gt=0)
    first_token_seconds: float = Field(20.0, gt=0)
    total_seconds: float = Field(90.0, gt=0)
    retries: int = Field(2, ge=0, le=10, description="Tries after the first, only before the first token.")
    guided: Literal["off", "citations"] = Field(
        "off", description="citations: a vLLM server lets the model write only sentences that name their passages."
    )

    @model_validator(mode="after")
    def _leaves_room_for_passages(self) -> Self:
        if self.max_tokens > self.context_tokens // 2:
            raise ValueError("max_tokens may be at most half of context_tokens, so that passages have room")
        return self


class Adapters(Section):
    """Tuned models: where their files are, and which servers they are loaded into."""

    store: str = Field(
        "", description="Where registered files are kept: a folder, or a bucket. Empty: adapters in the data folder."
    )
    folder: str = Field(
        "", description="Where this process puts files for the model's server. Empty: served in the data folder."
    )
    folder_on_server: str = Field("", description="Where the model's server sees that folder. Empty: the same path.")
    servers: list[str] = Field(
        default_factory=list,
        description="Every vLLM behind generation.base_url, each as http://host:8000/v1. Empty: generation.base_url.",
    )
    poll_seconds: float = Field(
        5.0, ge=0.5, le=300, description="How often promotions and servers are looked at, in seconds."
    )


class Namespace(Section):
    """One body of documents with its own rules."""

    instructions: str = Field("", description="Added to the system prompt of this namespace.")
    model: str = Field("", description="Model or adapter to answer with, if another than generation.model.")
    contact: str = Field("", description="Whom to ask when the documents do not know, shown with a no-answer.")


class Conversations(Section):
    """What was asked and answered is kept so that follow-ups are understood."""

    keep_days: int = Field(30, ge=0, description="Days after which a question and its answer are deleted.")


class Log(Section):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


class Tracing(Section):
    """Traces by OpenTelemetry: where time goes, question by question. They hold ids, counts and times, and no text."""

    url: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="A collector that takes OTLP over HTTP: http://127.0.0.1:4318. Empty: no traces.",
    )
    sample: float = Field(
        1.0, ge=0, le=1, description="Which share of the traces is sent; a caller's choice comes first."
    )


def _user_folder(variable: str, fallback: str) -> Path:
    base = os.environ.get(variable, "")
    return (Path(base) if base.startswith("/") else Path.home() / fallback) / "lorekeeper"


class Settings(BaseSettings):
    """Everything that can be set. One object, made at start and passed down."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    data_dir: Folder = Field(
        default_factory=lambda: _user_folder("XDG_DATA_HOME", ".local/share"),
        description="Database, index and stored files.",
    )
    cache_dir: Folder = Field(
        default_factory=lambda: _user_folder("XDG_CACHE_HOME", ".cache"),
        description="Exported models; may be deleted at any time.",
    )
    server: Server = Server()
    database: Database = Database()
    chroma: Chroma = Chroma()
    embedding: Embedding = Embedding()
    parse: Parse = Parse()
    sources: Sources = Sources()
    split: Split = Split()
    history: History = History()
    jobs: Jobs = Jobs()
    retrieval: Retrieval = Retrieval()
    generation: Generation = Generation()
    adapters: Adapters = Adapters()
    conversations: Conversations = Conversations()
    slack: Slack = Slack()
    discord: Discord = Discord()
    log: Log = Log()
    tracing: Tracing = Tracing()
    namespaces: dict[NamespaceName, Namespace] = Field(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        if isinstance(env_settings, EnvSettingsSource):
            secrets = {variable.lower() for variable in _secret_variables()}
            files = {f"{variable}{SUFFIX.lower()}" for variable in secrets}
            given = env_settings.env_vars.items()
            # An empty one is no secret, so that it does not take the place of one that is given otherwise.
            env_settings.env_vars = {
                name: value for name, value in given if name not in files and (value or name not in secrets)
            }
        return (env_settings, init_settings)

    @property
    def database_url(self) -> str:
        """A path in it that is not absolute begins in the data folder."""
        return self.database.url.get_secret_value() or "sqlite:///lorekeeper.db"

    @property
    def is_embedded(self) -> bool:
        """Whether some part of the record lives in the data folder, so that one process has to own it."""
        return not self.chroma.url or self.database_url.startswith("sqlite")


def config_file(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The settings file in force: LOREKEEPER_CONFIG, ./lorekeeper.toml, or the user's own; None without any."""
    named = environ.get("LOREKEEPER_CONFIG")
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise InvalidSettings(f"LOREKEEPER_CONFIG names {path}, which is not a file.")
        return path
    candidates = (Path("lorekeeper.toml"), _user_folder("XDG_CONFIG_HOME", ".config") / "lorekeeper.toml")
    return next((path for path in candidates if path.is_file()), None)


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read file and environment. Raises `InvalidSettings` with one line for each mistake."""
    path = config_file(environ)
    values = _read_toml(path) if path else {}
    secrets = _secret_variables()
    _refuse_unknown_variables(environ, secrets)
    given = {name: environ[name] for name in PLATFORM_NAMES if environ.get(name)} | dict(from_files(environ, secrets))
    for variable, (section, key) in secrets.items():
        of_section = values.setdefault(section, {}) if variable in given else None
        if isinstance(of_section, dict):
            of_section[key] = given[variable]
    try:
        return Settings(**values)
    except ValidationError as error:
        raise InvalidSettings(_explain(error, path)) from None
    except SettingsError as error:
        raise InvalidSettings(f"The environment cannot be read: {error}.") from None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidSettings(f"{path} cannot be read: {error}") from error


def _refuse_unknown_variables(environ: Mapping[str, str], secrets: Mapping[str, object]) -> None:
    known = dict(_known_keys())
    for variable in environ:
        if not variable.startswith(ENV_PREFIX) or variable in ENV_BESIDE_SETTINGS or not environ[variable]:
            continue
        if variable.endswith(SUFFIX) and variable.removesuffix(SUFFIX) in secrets:
            continue
        key = variable.removeprefix(ENV_PREFIX).lower().replace("__", ".")
        if key not in known and not key.startswith("namespaces"):
            raise InvalidSettings(
                f"The environment variable {variable} is no setting.{_suggest(key, known, as_variable=True)}"
            )


def _secret_variables() -> dict[str, tuple[str, str]]:
    """The variables of secrets, which may be given as files, with section and key of each; of two for one, ours is last
    and wins.
    """
    ours = {
        f"{ENV_PREFIX}{key.upper().replace('.', '__')}": (key.partition(".")[0], key.partition(".")[2])
        for key, field in _known_keys()
        if "." in key and field.annotation is SecretStr
    }
    return {**PLATFORM_NAMES, **ours}


def _known_keys() -> Iterable[tuple[str, Any]]:
    for name, field in Settings.model_fields.items():
        yield name, field
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            for inner, inner_field in field.annotation.model_fields.items():
                yield f"{name}.{inner}", inner_field


def _suggest(key: str, known: Iterable[str], as_variable: bool = False) -> str:
    close = difflib.get_close_matches(key, list(known), n=1, cutoff=0.5)
    if not close:
        return ""
    name = ENV_PREFIX + close[0].upper().replace(".", "__") if as_variable else close[0]
    return f" Did you mean {name}?"


def _explain(error: ValidationError, path: Path | None) -> str:
    known = [key for key, _ in _known_keys()]
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            namespace_keys = [f"{key.rpartition('.')[0]}.{name}" for name in Namespace.model_fields]
            pool = namespace_keys if key.startswith("namespaces.") else known
            lines.append(f"{key} is no setting.{_suggest(key, pool)}")
        else:
            lines.append(f"{key}: {problem['msg']}")
    where = f"{path} or the environment" if path else "The environment"
    return f"{where} has settings that cannot be used:\n" + "\n".join(f"  {line}" for line in lines)
