"""Which kind of source an address names, and its one form."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import InvalidRequest
from ingest.sources.kinds import parse_address


@pytest.mark.parametrize(
    ("given", "kind", "text"),
    [
        ("/srv/docs", "folder", "file:///srv/docs/"),
        ("/srv//x/../docs/", "folder", "file:///srv/docs/"),
        ("file:///srv/my%20docs", "folder", "file:///srv/my%20docs/"),
        ("s3://bucket", "bucket", "s3://bucket/"),
        ("S3://bucket//a/b/", "bucket", "s3://bucket/a/b/"),
        ("gs://bucket/a", "bucket", "gs://bucket/a/"),
        ("az://container/a", "bucket", "az://container/a/"),
        ("https://Example.org/a b?x=1#part", "web", "https://example.org/a%20b?x=1"),
        ("https://wiki.lan:8443/x", "web", "https://wiki.lan:8443/x"),
        ("langchain:pack.age.Loader", "langchain", "langchain:pack.age.Loader"),
    ],
)
def test_addresses(given: str, kind: str, text: str) -> None:
    address = parse_address(given, {})
    assert (address.kind, address.text) == (kind, text)
    assert parse_address(address.text, {}) == address


def test_a_relative_folder_begins_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_address("docs", {}).text == f"{(tmp_path / 'docs').as_uri()}/"


def test_arguments_tell_loaders_apart() -> None:
    one, two = (parse_address("langchain:a.B", {"path": path, "n": 1}) for path in ("x", "y&z"))
    assert one.text == "langchain:a.B?n=1&path=x"
    assert two.text == "langchain:a.B?n=1&path=y%26z"


@pytest.mark.parametrize(
    ("given", "arguments"),
    [
        ("ftp://host/x", {}), ("https://u:p@host/x", {}), ("s3://", {}), ("s3://key:secret@bucket/x", {}), ("s3://b/x?y", {}),
        ("s3://b/../c", {}), ("file:srv/docs", {}), ("https://", {}), ("https://[", {}), ("langchain:Loader", {}),
        ("langchain:a.b; import os", {}), ("/srv/docs", {"path": "x"}), ("langchain:a.B", {"api_key": "abc"}),
        ("langchain:a.B", {"auth_token": "abc"}), ("langchain:a.B", {"password": "abc"}),
    ],
)  # fmt: skip
def test_what_is_none_is_refused_without_its_secrets(given: str, arguments: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_address(given, arguments)
    assert not {"secret", "abc"} & set(caught.value.message.split())


def test_secrets_are_named_by_their_variable() -> None:
    assert parse_address("langchain:a.B", {"api_key": "env:WIKI_KEY"}).text == "langchain:a.B?api_key=env:WIKI_KEY"
