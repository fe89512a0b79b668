"""Which files a folder gives, and what a person is told about those that cannot be taken."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.errors import InvalidRequest, TooLarge, UnreadableDocument
from ingest.sources.files import collect, read

NOBODY = 65534


@contextmanager
def as_somebody_else(folder: Path) -> Iterator[None]:
    """A file `b.md` in the folder that this user may not read; root, who may read all, is somebody else meanwhile."""
    path = put(folder / "b.md")
    path.chmod(0)
    folder.chmod(0o755)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def put(path: Path, text: str = "Text.") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def names(*paths: Path) -> list[str]:
    return [file.name for file in collect(paths).files]


class TestFolders:
    def test_readable_formats_are_taken_by_name_and_the_rest_is_reported(self, tmp_path: Path) -> None:
        for name in ("b.md", "a.PDF", "sub/deep/c.html", "logo.heic", "sub/data.sqlite", "no_ending"):
            put(tmp_path / name)
        found = collect([tmp_path])
        assert [file.name for file in found.files] == ["a.PDF", "b.md", "sub/deep/c.html"]
        assert sorted(found.skipped) == ["logo.heic", "no_ending", "sub/data.sqlite"]

    def test_a_file_knows_its_source_and_its_path(self, tmp_path: Path) -> None:
        path = put(tmp_path / "it" / "über uns.md")
        found = collect([tmp_path])
        (file,) = found.files
        assert file.path == path
        assert file.source == path.as_uri()
        assert file.source.endswith("/it/%C3%BCber%20uns.md")
        assert found.roots == (tmp_path.as_uri() + "/",)
        assert file.source.startswith(found.roots[0])

    def test_hidden_files_and_folders_and_lock_files_of_office_are_left_alone(self, tmp_path: Path) -> None:
        for name in (".git/config.md", ".hidden.md", "~$plan.md", "seen.md"):
            put(tmp_path / name)
        found = collect([tmp_path])
        assert [file.name for file in found.files] == ["seen.md"]
        assert found.skipped == ()

    def test_a_hidden_folder_that_is_named_is_walked(self, tmp_path: Path) -> None:
        put(tmp_path / ".notes" / "a.md")
        assert names(tmp_path / ".notes") == ["a.md"]

    def test_an_empty_folder_gives_nothing(self, tmp_path: Path) -> None:
        assert collect([tmp_path]).files == ()

    def test_files_come_once_however_many_ways_lead_to_them(self, tmp_path: Path) -> None:
        path = put(tmp_path / "sub" / "a.md")
        assert names(tmp_path, tmp_path / "sub", path, tmp_path / "sub" / ".." / "sub" / "a.md") == ["sub/a.md"]

    def test_the_order_is_the_same_each_time(self, tmp_path: Path) -> None:
        for name in ("z.md", "b/2.md", "b/10.md", "a/1.md", "m.md"):
            put(tmp_path / name)
        assert names(tmp_path) == ["m.md", "z.md", "a/1.md", "b/10.md", "b/2.md"]


class TestLinks:
    def test_a_link_out_of_the_folder_is_not_followed(self, tmp_path: Path) -> None:
        put(tmp_path / "secret" / "keys.md")
        shared = tmp_path / "shared"
        put(shared / "a.md")
        (shared / "keys.md").symlink_to(tmp_path / "secret" / "keys.md")
        (shared / "all").symlink_to(tmp_path / "secret")
        found = collect([shared])
        assert [file.name for file in found.files] == ["a.md"]
        assert sorted(found.skipped) == ["all", "keys.md"]

    def test_a_folder_whose_name_only_begins_alike_is_outside(self, tmp_path: Path) -> None:
        put(tmp_path / "docs-secret" / "a.md")
        (tmp_path / "docs").mkdir()
        (tmp_path / "docs" / "a.md").symlink_to(tmp_path / "docs-secret" / "a.md")
        assert names(tmp_path / "docs") == []

    def test_a_link_inside_the_folder_keeps_its_own_name(self, tmp_path: Path) -> None:
        put(tmp_path / "versions" / "v2.md")
        (tmp_path / "current.md").symlink_to(tmp_path / "versions" / "v2.md")
        assert names(tmp_path) == ["current.md"]

    def test_a_circle_of_links_ends(self, tmp_path: Path) -> None:
        put(tmp_path / "sub" / "a.md")
        (tmp_path / "sub" / "up").symlink_to(tmp_path)
        (tmp_path / "sub" / "self").symlink_to("self")
        assert names(tmp_path) == ["sub/a.md"]

    def test_a_link_to_nothing_is_reported(self, tmp_path: Path) -> None:
        (tmp_path / "gone.md").symlink_to(tmp_path / "nowhere.md")
        assert collect([tmp_path]).skipped == ("gone.md",)

    def test_a_link_that_a_person_names_is_followed(self, tmp_path: Path) -> None:
        put(tmp_path / "real" / "a.md")
        (tmp_path / "link").symlink_to(tmp_path / "real")
        assert names(tmp_path / "link") == ["a.md"]


class TestNamedPaths:
    def test_a_named_file_is_taken_whatever_it_is_called(self, tmp_path: Path) -> None:
        found = collect([put(tmp_path / ".plan.docx")])
        assert [file.name for file in found.files] == [".plan.docx"]
        assert found.roots == ()

    def test_a_path_relative_to_the_working_folder_becomes_absolute(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(tmp_path / "a.md")
        monkeypatch.chdir(tmp_path)
        assert collect([Path("a.md")]).files[0].path == tmp_path / "a.md"

    @pytest.mark.parametrize("name", ["nowhere.md", "a.md/below.md", "nul\x00byte"])
    def test_what_does_not_exist_is_said_by_name(self, tmp_path: Path, name: str) -> None:
        put(tmp_path / "a.md")
        with pytest.raises(InvalidRequest, match=r"does not exist\.$"):
            collect([tmp_path / name])

    def test_devices_pipes_and_sockets_are_refused(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.md")
        for path in (tmp_path / "pipe.md", Path("/dev/null")):
            with pytest.raises(InvalidRequest, match=r"is neither a file nor a folder\.$"):
                collect([path])

    def test_control_characters_in_a_name_are_not_passed_on(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidRequest) as caught:
            collect([tmp_path / "a\x1b[31m\u202e.md"])
        assert "\x1b" not in caught.value.message
        assert "\u202e" not in caught.value.message

    def test_a_name_that_is_no_unicode_is_shown_with_replacements(self, tmp_path: Path) -> None:
        (tmp_path / os.fsdecode(b"caf\xe9.md")).write_text("Text.")
        (file,) = collect([tmp_path]).files
        assert file.name == "caf\ufffd.md"
        assert file.source.endswith("/caf%E9.md")
        assert read(file.path, 100) == b"Text."


class TestUnreadable:
    def test_pipes_and_sockets_in_a_folder_are_reported_and_not_opened(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.md")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.path.relpath(tmp_path / "socket.md"))
            put(tmp_path / "a.md")
            found = collect([tmp_path])
        assert [file.name for file in found.files] == ["a.md"]
        assert sorted(found.skipped) == ["pipe.md", "socket.md"]

    def test_a_subfolder_that_cannot_be_listed_is_reported_and_the_rest_taken(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(tmp_path / "a.md")
        put(tmp_path / "closed" / "b.md")
        put(tmp_path / "open" / "c.md")
        _refuse(tmp_path / "closed", monkeypatch)
        found = collect([tmp_path])
        assert [file.name for file in found.files] == ["a.md", "open/c.md"]
        (unreadable,) = found.unreadable
        assert unreadable.source == (tmp_path / "closed").as_uri() + "/"
        assert unreadable.message == f"{tmp_path / 'closed'} cannot be read: permission denied."

    def test_a_named_folder_that_cannot_be_listed_is_an_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _refuse(tmp_path, monkeypatch)
        with pytest.raises(InvalidRequest, match=r"cannot be read: permission denied\.$"):
            collect([tmp_path])

    def test_permissions_of_the_disk_count(self) -> None:
        # Not below pytest's own folder, which nobody else may enter.
        with (
            tempfile.TemporaryDirectory() as folder,
            as_somebody_else(Path(folder)),
            pytest.raises(UnreadableDocument, match="permission denied"),
        ):
            read(Path(folder) / "b.md", 100)


def _refuse(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a user without permission: tests may run as root, whom modes do not stop."""
    scandir = os.scandir

    def refusing(path: Path) -> object:
        if path == folder:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)


class TestRead:
    def test_it_gives_the_bytes(self, tmp_path: Path) -> None:
        (tmp_path / "a.bin").write_bytes(b"\r\n\x1a\x00")
        assert read(tmp_path / "a.bin", 4) == b"\r\n\x1a\x00"

    def test_a_file_over_the_limit_is_refused_with_both_sizes(self, tmp_path: Path) -> None:
        path = tmp_path / "big.pdf"
        with path.open("wb") as stream:
            stream.truncate(5 * 2**20 + 2**19)
        with pytest.raises(TooLarge) as caught:
            read(path, 2 * 2**20)
        assert caught.value.message == "The file has 5.5 MB; the limit is 2 MB (server.max_upload_mb)."

    def test_a_file_that_says_it_is_small_and_is_not_is_refused(self, tmp_path: Path) -> None:
        status = Path("/proc/self/status")
        if not status.exists():
            pytest.skip("no /proc here")
        with pytest.raises(TooLarge):
            read(status, 10)

    def test_a_file_that_is_gone_is_unreadable(self, tmp_path: Path) -> None:
        with pytest.raises(UnreadableDocument, match=r"^The file cannot be opened: no such file or directory\.$"):
            read(tmp_path / "gone.md", 100)

    def test_a_pipe_is_refused_without_waiting_for_a_writer(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.md")
        with pytest.raises(UnreadableDocument, match="not a plain file"):
            read(tmp_path / "pipe.md", 100)

    def test_devices_and_folders_are_refused(self, tmp_path: Path) -> None:
        for path in (Path("/dev/zero"), tmp_path):
            with pytest.raises(UnreadableDocument):
                read(path, 100)
