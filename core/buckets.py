"""How buckets are opened: S3 and what speaks like it, Google Cloud Storage, Azure.

Credentials are found by the library in the environment of the process, or of the machine; none are stored.
"""

from __future__ import annotations

import os
import re
from datetime import timedelta
from typing import Any

from core.errors import InvalidRequest, MissingExtra

SCHEMES = ("s3", "gs", "az")
CONNECT_SECONDS = 10
REQUEST_SECONDS = 120
RETRIES = 3
RETRY_SECONDS = 60
AZURE_ACCOUNT = "AZURE_STORAGE_ACCOUNT_NAME"
_DENIED = re.compile(r"status code: 40[13]\b")
# Where the files of a private installation are, e.g. MinIO: `http://` is the operator's own decision.
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


def is_bucket(address: str) -> bool:
    """Whether it begins as the address of a bucket does."""
    return address.partition("://")[0] in SCHEMES and "://" in address


def open_bucket(address: str) -> Any:
    """What is below `s3://bucket/prefix/`, `gs://bucket/prefix/` or `az://container/prefix/`, as an obstore store.

    Nothing is asked yet. Raises `MissingExtra`, `InvalidRequest`.
    """
    scheme, _, rest = address.rstrip("/").partition("://")
    bucket, _, prefix = rest.partition("/")
    try:
        from obstore import store
        from obstore.exceptions import BaseError
    except ModuleNotFoundError as error:
        raise MissingExtra("obstore", "buckets") from error
    kind: Any = {"s3": store.S3Store, "gs": store.GCSStore, "az": store.AzureStore}[scheme]
    try:
        return kind(
            bucket,
            prefix=prefix or None,
            **_chosen(scheme),
            client_options=_client(),
            retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)},
        )
    except (BaseError, ValueError) as error:
        raise InvalidRequest(f"{address} cannot be opened: {_first_line(error)}") from error


def is_missing(error: Exception) -> bool:
    """Whether the library says that there is nothing at this place."""
    from obstore import exceptions

    return isinstance(error, exceptions.NotFoundError | FileNotFoundError)


def explain(address: str, error: Exception, *, doing: str = "read") -> str:
    """What the library's error means, for a person; without credentials."""
    from obstore import exceptions

    if is_missing(error):
        return f"{address} is not there, or a file in it went meanwhile."
    denied = exceptions.PermissionDeniedError | exceptions.UnauthenticatedError | PermissionError
    # For a listing, the library has no error of its own for it.
    if isinstance(error, denied) or _DENIED.search(str(error)):
        return (
            f"{address} does not let these credentials in, or needs some. "
            "They come from the environment; docs/sources.md names the variables."
        )
    return f"{address} cannot be {doing}: {_first_line(error)}"


def _chosen(scheme: str) -> dict[str, Any]:
    """What the library does not take from the environment by itself."""
    if scheme == "s3":
        endpoint = next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), "")
        return {"endpoint": endpoint} if endpoint else {}
    if scheme == "az":
        account = os.environ.get(AZURE_ACCOUNT)
        if not account:
            raise InvalidRequest(f"Set the environment variable {AZURE_ACCOUNT} to the name of the storage account.")
        return {"account_name": account}
    return {}


def _client() -> dict[str, Any]:
    return {
        "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
        "timeout": timedelta(seconds=REQUEST_SECONDS),
        "allow_http": any(os.environ.get(name, "").startswith("http://") for name in _ENDPOINTS),
    }


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300]
