"""`lorekeeper documents …` as a person or a script runs it: what is printed where, and the exit status."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.errors import InvalidRequest
from core.types import SyncedSource
from ingest.commands import check_apart
from tests.ingest.commanding import Commands, commanding
from tests.ingest.library import put
from tests.ingest.parse.test_archive_zip import packed
from tests.ingest.test_job_commands import add_without_worker
from tests.pdf import PdfPage, make_pdf

VACATION = "# Vacation\n\nYou accrue 25 days of vacation each year.\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Commands]:
    """Runs `lorekeeper documents` on a data folder of its own."""
    with commanding(tmp_path, monkeypatch, capsys) as commands:
        yield commands


class TestAdd:
    def test_what_was_done_is_counted(self, run: Commands, folder: Path) -> None:
        put(folder / "vacation.md", VACATION)
        put(folder / "logo.ico", b"\x00\x00\x01\x00")
        first = run("add", folder)
        assert (first.status, first.out) == (0, "Documents: 1 added, 1 skipped. Passages indexed: 1.\n")
        second = run("add", folder)
        assert (second.status, second.out) == (0, "Documents: 1 unchanged, 1 skipped. Passages indexed: 0.\n")

    def test_a_page_without_text_is_a_note_and_no_failure(self, run: Commands, folder: Path) -> None:
        put(folder / "vacation.md", VACATION)
        put(folder / "moved.md", "---\nredirect_to: /new/\n---\n")
        result = run("add", folder)
        assert (result.status, result.out) == (0, "Documents: 1 added, 1 skipped. Passages indexed: 1.\n")
        assert "Note: moved.md: There is no text in this file." in result.err

    def test_an_empty_file_that_is_named_is_a_failure(self, run: Commands, folder: Path) -> None:
        result = run("add", put(folder / "empty.md", ""))
        assert (result.status, result.out) == (1, "Documents: 1 failed. Passages indexed: 0.\n")
        assert "Not indexed: empty.md: The file is empty." in result.err

    def test_a_failure_is_told_and_gives_status_1_though_the_rest_is_indexed(self, run: Commands, folder: Path) -> None:
        put(folder / "vacation.md", VACATION)
        put(folder / "scan.pdf", make_pdf([PdfPage(has_drawing=True)]))
        result = run("add", folder)
        assert (result.status, result.out) == (1, "Documents: 1 added, 1 failed. Passages indexed: 1.\n")
        assert "Not indexed: scan.pdf: The PDF holds only pictures, perhaps scans, and has no text layer." in result.err

    def test_a_path_that_does_not_exist_is_refused_before_anything_is_made(
        self, run: Commands, tmp_path: Path, folder: Path
    ) -> None:
        result = run("add", put(folder / "vacation.md", VACATION), "no/such/file.md")
        assert (result.status, result.out, result.err) == (1, "", "Error: no/such/file.md does not exist.\n")
        assert not (tmp_path / "data").exists()

    @pytest.mark.parametrize("command", [["add", "vacation.md"], ["list"]])
    def test_a_namespace_that_nobody_could_ask_in_is_refused_before_anything_is_made(
        self, run: Commands, tmp_path: Path, command: list[str]
    ) -> None:
        put(tmp_path / "vacation.md", VACATION)
        result = run(*command, "--namespace", "HR docs")
        assert (result.status, result.out) == (1, "")
        assert result.err.startswith("Error: A namespace's name is made of 1 to 64 letters")
        assert not (tmp_path / "data").exists()

    def test_a_damaged_file_is_told_in_one_sentence(self, run: Commands, folder: Path) -> None:
        result = run("add", put(folder / "bad.pdf", b"%PDF-1.4 and then nothing"))
        told = [line.strip() for line in result.err.splitlines() if "bad.pdf" in line or "document" in line]
        assert told == ["Not indexed: bad.pdf: The file is damaged or not a valid PDF."]
        assert "Traceback" not in result.err

    def test_a_file_of_the_wrong_type_is_refused_by_what_it_is(self, run: Commands, folder: Path) -> None:
        result = run("add", put(folder / "x.exe", b"\x00\x01\x02\xff"))
        assert result.status == 1
        assert (
            "Not indexed: x.exe: This is not a kind of file that can be read. Readable are PDF, Word, Excel,"
            in result.err
        )

    def test_a_file_that_is_gone_is_removed_unless_it_shall_be_kept(self, run: Commands, folder: Path) -> None:
        path = put(folder / "vacation.md", VACATION)
        put(folder / "travel.md", "By train.")
        run("add", folder)
        path.unlink()
        assert run("add", "--keep-missing", folder).out == "Documents: 1 unchanged. Passages indexed: 0.\n"
        result = run("add", folder)
        assert result.out == "Documents: 1 unchanged, 1 removed. Passages indexed: 0.\n"
        assert "Note: Vacation was removed, because its file is gone" in result.err

    def test_formats_that_are_passed_over_in_a_folder_are_told(self, run: Commands, folder: Path) -> None:
        put(folder / "vacation.md", VACATION)
        for name in ("a.doc", "b.doc", "c.7z"):
            put(folder / name, b"PK\x03\x04 and then something")
        result = run("add", folder)
        assert result.status == 0
        assert "Note: files were skipped whose format cannot be read: 2 with .doc, 1 with .7z." in result.err

    def test_a_file_that_failed_by_name_is_not_removed_with_its_folder(self, run: Commands, folder: Path) -> None:
        put(folder / "vacation.md", VACATION)
        failed = put(folder / "x.exe", b"\x00\x01\x02\xff")
        run("add", failed)
        assert "removed" not in run("add", folder).out
        failed.unlink()
        assert "1 removed" in run("add", folder).out

    def test_a_link_that_is_moved_to_a_new_release_stays_the_same_folder(self, run: Commands, tmp_path: Path) -> None:
        put(tmp_path / "v1" / "vacation.md", VACATION)
        put(tmp_path / "v2" / "vacation.md", VACATION.replace("25", "30"))
        link = tmp_path / "current"
        link.symlink_to("v1")
        assert run("add", "current").out == "Documents: 1 added. Passages indexed: 1.\n"
        link.unlink()
        link.symlink_to("v2")
        assert run("add", "current").out == "Documents: 1 replaced. Passages indexed: 1.\n"

    def test_files_that_others_left_are_told(
        self, run: Commands, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add_without_worker(run, monkeypatch, *(put(folder / name, VACATION) for name in ("a.md", "b.md")))
        result = run("add", put(folder / "c.md", VACATION), put(folder / "d.md", VACATION))
        assert result.out == "Documents: 2 added. Passages indexed: 2.\n"
        assert "Note: 2 files that were received before are not indexed yet, and have their turn as well." in result.err
        assert "received before" not in run("add", folder / "c.md").err

    def test_names_cannot_drive_the_terminal(self, run: Commands, folder: Path) -> None:
        put(folder / "a\x1b[31mb.pdf", b"%PDF-1.4 nothing")
        assert "\x1b[31m" not in run("add", folder).err
        assert "\x1b" not in run("add", "a\x1b[31mb.md").err

    def test_nothing_to_add_is_a_mistake_in_the_command(self, run: Commands) -> None:
        assert run("add").status == 2


class TestList:
    def test_the_table_shows_state_and_size(self, run: Commands, folder: Path) -> None:
        put(folder / "handbook.pdf", make_pdf(["You accrue 25 days.", "By train."]))
        run("add", folder)
        result = run("list")
        assert result.status == 0
        head, row = result.out.splitlines()
        assert head.split() == ["id", "title", "file", "namespace", "status", "pages", "passages"]
        assert row.split()[1:] == ["Handbook", "handbook.pdf", "default", "ready", "2", "2"]

    def test_a_file_inside_others_is_told_with_those_it_lies_in(self, run: Commands, folder: Path) -> None:
        inner = packed({"hr/vacation.md": VACATION.encode()})
        run("add", put(folder / "letters.zip", packed({"old.zip": inner})))
        (row,) = [row for row in run("list").out.splitlines() if "Vacation" in row]
        assert "Vacation  hr/vacation.md in old.zip in letters.zip  default" in row

    def test_only_those_in_a_state_are_listed_when_it_is_named(self, run: Commands, folder: Path) -> None:
        put(folder / "vacation.md", VACATION)
        put(folder / "bad.pdf", b"%PDF-1.4 and then nothing")
        run("add", folder)
        assert [row[1] for row in run("list", "--status", "failed").rows] == ["bad.pdf"]
        assert run("list", "--status", "ready", "--json").json["total"] == 1
        assert run("list", "--status", "lost").status == 2

    def test_json_is_one_object_on_one_line(self, run: Commands, folder: Path) -> None:
        path = put(folder / "vacation.md", VACATION)
        run("add", folder)
        result = run("list", "--json").json
        assert result["total"] == 1
        (document,) = result["documents"]
        assert set(document) == {
            *("id", "title", "namespace", "source", "status", "error", "media_type", "sha256", "size_bytes", "pages"),
            *("chunks", "readers", "losses", "url", "version", "updated_at"),
        }
        assert (document["title"], document["source"], document["chunks"]) == ("Vacation", path.as_uri(), 1)

    def test_only_a_namespace_is_listed_when_it_is_named(self, run: Commands, folder: Path) -> None:
        run("add", "--namespace", "hr", put(folder / "vacation.md", VACATION))
        assert run("list", "-n", "hr", "--json").json["total"] == 1
        assert run("list", "-n", "it", "--json").json == {"documents": [], "total": 0}

    def test_more_than_the_limit_is_said(self, run: Commands, folder: Path) -> None:
        for name in ("a.md", "b.md", "c.md"):
            put(folder / name, VACATION)
        run("add", folder)
        assert run("list", "--limit", 2).out.endswith("2 of 3; see more with --limit 3\n")


class TestShow:
    def test_a_document_is_shown_with_its_passages(self, run: Commands, folder: Path) -> None:
        run("add", put(folder / "rules.md", "# Rules\n\n## Vacation\n\n25 days.\n"))
        document = run("list", "--json").json["documents"][0]
        shown = run("show", document["id"][:8])
        assert shown.status == 0
        assert f"id: {document['id']}\n" in shown.out
        assert shown.out.endswith("Vacation\n25 days.\n")

    def test_losses_stand_on_lines_of_their_own(self, run: Commands, folder: Path) -> None:
        text = put(folder / "old.txt", "Grüße aus der Küche, und mehr über die Bücher.".encode("cp1252"))
        run("add", text)
        shown = run("show", run("list", "--json").json["documents"][0]["id"])
        assert "version: 1\n" in shown.out
        assert "losses:\n  The file does not say its text encoding" in shown.out
        assert "[" not in shown.out

    def test_json_holds_the_document_and_its_passages(self, run: Commands, folder: Path) -> None:
        run("add", put(folder / "rules.md", "# Rules\n\n## Vacation\n\n25 days.\n"))
        document = run("list", "--json").json["documents"][0]
        shown = run("show", document["id"], "--json").json
        passages = shown.pop("passages")
        assert shown == document
        assert [(each["locator"], each["text"]) for each in passages] == [("Vacation", "25 days.")]

    @pytest.mark.parametrize(
        ("document_id", "words"),
        [("0123456789", "There is no document 0123456789."), ("01", "Give at least the first 6 characters")],
    )
    def test_an_id_that_does_not_lead_to_one_document_is_an_error(
        self, run: Commands, document_id: str, words: str
    ) -> None:
        result = run("show", document_id)
        assert (result.status, result.out) == (1, "")
        assert words in result.err


class TestRemoveAndReindex:
    def test_a_removed_document_is_named_and_gone_and_how_it_comes_back_is_said(
        self, run: Commands, folder: Path
    ) -> None:
        run("add", put(folder / "vacation.md", VACATION))
        document_id = run.id_of("Vacation")
        told = f"Within 30 days, this brings it back: lorekeeper documents restore {document_id[:12]}\n"
        assert run("remove", document_id[:8]).out == f"Removed Vacation\n{told}"
        assert run("list", "--json").json["total"] == 0
        for command in ("remove", "show"):
            refused = run(command, document_id[:8])
            assert (refused.status, refused.out) == (1, "")
            assert refused.err.startswith("Error: Vacation was removed on ")
            assert f"`lorekeeper documents restore {document_id[:12]}` brings it back" in refused.err
            assert f"`lorekeeper documents purge {document_id[:12]}` erases it" in refused.err

    def test_what_is_removed_before_it_was_indexed_is_brought_back_by_its_job(
        self, run: Commands, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add_without_worker(run, monkeypatch, put(folder / "vacation.md", VACATION))
        removed = run("remove", run.id_of("vacation.md"))
        (job,) = run("jobs", "--json").json["jobs"]
        told = f"It had not been indexed yet. This brings it back: lorekeeper documents retry {job['id'][:12]}\n"
        assert removed.out == f"Removed vacation.md\n{told}"
        assert run("retry", job["id"][:12]).status == 0
        assert run.id_of("Vacation")

    def test_no_way_back_is_promised_where_there_is_none(
        self, run: Commands, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run("add", put(folder / "bad.pdf", b"%PDF-1.4 and then nothing"))
        assert run("remove", run.id_of("bad.pdf")).out == "Removed bad.pdf\n"
        monkeypatch.setenv("LOREKEEPER_HISTORY__KEEP_REMOVED_DAYS", "0")
        run("add", put(folder / "vacation.md", VACATION))
        assert run("remove", run.id_of("Vacation")).out == "Removed Vacation\n"

    def test_reindexing_goes_through_all_documents(self, run: Commands, folder: Path) -> None:
        put(folder / "vacation.md", VACATION)
        put(folder / "travel.md", "By train.")
        run("add", folder)
        assert run("reindex").out == "Documents: 2 replaced. Passages indexed: 2.\n"

    def test_reindexing_leaves_alone_what_could_never_be_read(self, run: Commands, folder: Path) -> None:
        put(folder / "vacation.md", VACATION)
        put(folder / "bad.pdf", b"%PDF-1.4 and then nothing")
        run("add", folder)
        before = {document["title"]: document["error"] for document in run("list", "--json").json["documents"]}
        result = run("reindex")
        assert (result.status, result.out) == (0, "Documents: 1 replaced. Passages indexed: 1.\n")
        after = {document["title"]: document["error"] for document in run("list", "--json").json["documents"]}
        assert after == before == {"Vacation": None, "bad.pdf": "The file is damaged or not a valid PDF."}

    def test_other_split_settings_ask_for_it_and_it_mends_them(
        self, run: Commands, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(folder / "vacation.md", VACATION)
        run("add", folder)
        monkeypatch.setenv("LOREKEEPER_SPLIT__MAX_TOKENS", "100")
        refused = run("add", folder)
        assert refused.status == 1
        assert "lorekeeper documents reindex" in refused.err
        assert run("reindex").status == 0
        assert run("add", folder).out == "Documents: 1 unchanged. Passages indexed: 0.\n"


def source(folder: Path, namespace: str = "default") -> SyncedSource:
    return SyncedSource("3f9a1c", namespace, folder.as_uri() + "/", "folder", datetime.now(UTC))


class TestSources:
    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ("handbook", "handbook is the source 3f9a1c ("),
            ("handbook/hr", "hr lies in the source 3f9a1c ("),
            ("handbook/leave.md", "leave.md lies in the source 3f9a1c ("),
            ("", "The source 3f9a1c ("),
        ],
    )
    def test_what_a_source_keeps_in_sync_is_refused(self, folder: Path, given: str, told: str) -> None:
        put(folder / "handbook" / "leave.md", VACATION)
        (folder / "handbook" / "hr").mkdir()
        with pytest.raises(InvalidRequest) as refused:
            check_apart([folder / given], "default", [source(folder / "handbook")])
        assert told in refused.value.message
        assert "lorekeeper sources" in refused.value.message

    def test_other_folders_and_namespaces_are_not(self, folder: Path) -> None:
        for name in ("handbook", "handbook2", "travel"):
            (folder / name).mkdir()
        check_apart([folder / "handbook2", folder / "travel"], "default", [source(folder / "handbook")])
        check_apart([folder / "handbook"], "hr", [source(folder / "handbook")])

    def test_the_command_asks_for_them(self, run: Commands, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        put(folder / "vacation.md", VACATION)
        run("list")

        async def all_sources(keeper: object) -> list[SyncedSource]:
            return [source(folder)]

        monkeypatch.setattr("ingest.sync.SourceKeeper.all", all_sources)
        refused = run("add", folder)
        assert (refused.status, refused.out) == (1, "")
        assert "To read it now: lorekeeper sources sync 3f9a1c" in refused.err
