"""Buckets, against a server on this machine that speaks as S3 does."""

from __future__ import annotations

import builtins
from typing import Any

import pytest

from core.errors import InvalidRequest, MissingExtra, TooLarge
from ingest.sources.base import Unreachable
from ingest.sources.buckets import Bucket
from tests.fakes.s3 import FakeS3


@pytest.fixture
def s3(s3: FakeS3) -> FakeS3:
    s3.bucket = "docs"
    s3.objects = {
        "hr/leave.md": b"# Leave\n\nStaff accrue 15 days.\n",
        "hr/deep/er/täglich 1.md": b"# Daily\n\nText.\n",
        "hr/photo.heic": b"x",
        "hr/.hidden/x.md": b"x",
        "hr/a.md": b"# A\n",
        "hrx/other.md": b"# Other\n",
        "top.md": b"# Top\n",
    }
    return s3


def names(bucket: Bucket) -> list[str]:
    return sorted(entry.name for entry in bucket.list().entries)


def test_readable_files_below_the_prefix_are_listed_over_all_pages(s3: FakeS3) -> None:
    assert names(Bucket("s3://docs/hr/", 1000)) == ["a.md", "deep/er/täglich 1.md", "leave.md"]
    assert s3.listings > 1
    assert len(names(Bucket("s3://docs/", 1000))) == 5
    assert s3.got == [], "listing fetches nothing"


def test_files_are_read_and_a_change_shows_in_the_listing(s3: FakeS3) -> None:
    bucket = Bucket("s3://docs/hr/", 1000)
    before = {entry.name: entry for entry in bucket.list().entries}
    assert bucket.read(before["leave.md"]) == s3.objects["hr/leave.md"]
    assert bucket.read(before["deep/er/täglich 1.md"]) == b"# Daily\n\nText.\n"
    assert before["leave.md"].source == "s3://docs/hr/leave.md"
    s3.objects["hr/leave.md"] = b"# Leave\n\nStaff accrue 20 days.\n"
    after = {entry.name: entry for entry in bucket.list().entries}
    changed = [name for name in after if after[name].fingerprint != before[name].fingerprint]
    assert changed == ["leave.md"]


def test_what_is_too_large_is_not_fetched(s3: FakeS3) -> None:
    bucket = Bucket("s3://docs/hr/", 10)
    entry = next(entry for entry in bucket.list().entries if entry.name == "leave.md")
    with pytest.raises(TooLarge):
        bucket.read(entry)
    assert s3.got == []


def test_what_grew_since_it_was_listed_is_refused_too(s3: FakeS3) -> None:
    bucket = Bucket("s3://docs/hr/", 100)
    entry = next(entry for entry in bucket.list().entries if entry.name == "a.md")
    s3.objects["hr/a.md"] = b"x" * 1000
    with pytest.raises(TooLarge):
        bucket.read(entry)


@pytest.mark.parametrize("status", [500, 503, 403])
def test_a_server_in_trouble_is_no_empty_bucket(s3: FakeS3, status: int) -> None:
    s3.refuse = status
    with pytest.raises(Unreachable):
        Bucket("s3://docs/hr/", 1000).list()


def test_a_bucket_that_is_not_there_is_told(s3: FakeS3) -> None:
    with pytest.raises(Unreachable, match="s3://nowhere/"):
        Bucket("s3://nowhere/", 1000).list()


def test_wrong_credentials_are_told_without_them(s3: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAWRONG")
    with pytest.raises(Unreachable, match="credentials") as caught:
        Bucket("s3://docs/", 1000).list()
    assert "AKIA" not in caught.value.message


def test_a_file_that_went_since_it_was_listed_is_tried_again(s3: FakeS3) -> None:
    bucket = Bucket("s3://docs/hr/", 1000)
    entry = next(iter(bucket.list().entries))
    s3.objects.clear()
    with pytest.raises(Unreachable):
        bucket.read(entry)


@pytest.mark.parametrize("address", ["gs://bucket/x/", "az://container/x/"])
def test_other_clouds_open_by_their_address(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    Bucket(address, 1000).check()


def test_without_the_extra_the_command_to_install_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name.startswith("obstore"):
            raise ModuleNotFoundError(name=name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"\.\[buckets\]"):
        Bucket("s3://docs/", 1000).check()


def test_azure_needs_the_name_of_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(InvalidRequest, match="AZURE_STORAGE_ACCOUNT_NAME"):
        Bucket("az://x", 1000).check()
