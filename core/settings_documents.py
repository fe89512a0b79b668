"""The settings of documents: how they are fetched, read, cut and embedded."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr


def _stripped(value: Any) -> Any:
    """Who pastes a token often pastes a space or the end of the line with it."""
    return value.strip() if isinstance(value, str) else value


Token = Annotated[SecretStr, BeforeValidator(_stripped)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Embedding(Section):
    """The model that turns text into vectors. Changing it needs `lorekeeper documents reindex`."""

    model: str = Field(
        "all-MiniLM-L6-v2", description="A sentence-transformers model: the built-in name, a folder, or a hub name."
    )
    precision: Literal["fp32", "int8"] = Field("int8", description="int8 is about twice as fast on a CPU.")
    threads: int = Field(0, ge=0, description="CPU threads; 0 means one for each core.")
    url: str = Field("", description="An OpenAI-compatible endpoint (https://host/v1) to use instead of a local model.")
    api_key: SecretStr = SecretStr("")
    timeout_seconds: float = Field(30.0, gt=0)


class Parse(Section):
    """How files are read."""

    passwords: list[SecretStr] = Field(
        default_factory=list,
        description="Tried, in this order, on PDF, Office and ZIP files that are protected by one.",
    )
    ocr_languages: str = Field(
        "eng",
        max_length=200,
        pattern=r"^[A-Za-z][A-Za-z0-9_]+(/[A-Za-z0-9_]+)?(\+[A-Za-z][A-Za-z0-9_]+(/[A-Za-z0-9_]+)?)*$",
        description="Languages of scanned pages and pictures, as tesseract names them, joined by +: eng+deu",
    )
    seconds: float = Field(120.0, ge=1, le=3600, description="Longest time that reading one file may take, in seconds.")
    memory_mb: int = Field(1024, ge=256, description="Most memory of the process that reads files, in MB.")
    unstructured_url: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="An Unstructured API server that reads what nothing here does, such as .doc: http://host:8000",
    )
    unstructured_key: Token = Field(SecretStr(""), description="Key of that server, if it asks for one.")


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value.strip(), strict=False))
    except ValueError as error:
        raise ValueError(f"{value} should be a network such as 10.20.0.0/16") from error


class Sources(Section):
    """What `lorekeeper sources` may fetch from the web. Hosts of the internet need no permission."""

    allowed_hosts: list[str] = Field(
        default_factory=list,
        description="Hosts in your own network, and with their port those that have another than 80 or 443: wiki.example.org:8443",
    )
    allowed_networks: list[Annotated[str, AfterValidator(_network)]] = Field(
        default_factory=list, description="Networks of your own whose hosts may be fetched from: 10.20.0.0/16"
    )


class Split(Section):
    """How documents are cut. Changing it needs `lorekeeper documents reindex`."""

    max_tokens: int = Field(220, ge=32, le=8192, description="Longest chunk, in tokens of the embedding model.")
    overlap_tokens: int = Field(30, ge=0, description="Tokens repeated between neighbouring chunks.")


class History(Section):
    """What is kept of documents that were replaced or removed."""

    keep_versions: int = Field(10, ge=1, description="How many versions of a document can be brought back.")
    keep_removed_days: int = Field(
        30, ge=0, description="How long a removed document can be brought back, in days; 0: it is erased at once."
    )


class Jobs(Section):
    """Work on files."""

    run: bool = Field(
        True,
        description="Whether this process works on received files, and on sources when their time has come. "
        "One that does not needs another that does.",
    )
    keep_days: int = Field(30, ge=1, description="How long it is remembered how jobs ended, in days.")
