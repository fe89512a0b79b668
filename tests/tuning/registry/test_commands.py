"""`lorekeeper tune register|list|show|promote|rollback|retire|uses|fetch` as a person calls them."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from core.errors import InvalidRequest, NotFound
from core.types.adapters import Verdict
from tests.fakes.openai_server import fake_openai
from tests.tuning.registry.runs import ANN, DOCUMENTS, contents, evaluate, make_run
from tuning.commands import app


@pytest.fixture(autouse=True)
def _data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOREKEEPER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run")


def tune(*arguments: object) -> str:
    """What is printed. Raises what the command raised."""
    done = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
    if done.exit_code:
        raise SystemExit(done.output)
    return done.stdout


def as_json(*arguments: object) -> Any:
    return json.loads(tune(*arguments, "--json"))


def answering() -> dict[str, list[str]]:
    return {each["id"]: each["answers_for"] for each in as_json("list")["adapters"] if each["answers_for"]}


def test_a_run_is_registered_and_told_what_to_do_next(run: Path) -> None:
    said = tune("register", run)
    assert "Registered hr-1: passed." in said
    assert "It passed for a reason." in said
    assert "lorekeeper tune promote hr-1 --namespace NAME" in said
    assert "on record already, as hr-1" in tune("register", run)
    assert as_json("register", run, "--name", "legal")["id"] == "legal-1"


def test_an_empty_list_says_how_to_begin() -> None:
    assert "lorekeeper tune register" in tune("list")
    assert as_json("list") == {"adapters": []}


def test_the_list_has_all_versions_and_where_they_answer(run: Path, tmp_path: Path) -> None:
    tune("register", run)
    tune("register", make_run(tmp_path / "other", "others", Verdict.FAILED))
    tune("promote", "hr-1", "--everywhere")
    lines = [line.split() for line in tune("list").splitlines()]
    assert [line[0] for line in lines[1:]] == ["hr-1", "hr-2"]
    assert lines[1][-1] == "everywhere"
    assert "failed" in lines[2]
    tune("retire", "hr-2")
    assert tune("list").splitlines()[2].split()[-1] == "retired"


def test_the_lists_headings_are_whole_words_in_a_narrow_terminal(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    tune("register", run)
    tune("promote", "hr-1", "-n", "a-namespace-with-a-long-name")
    words = " ".join(tune("list").splitlines()[:2]).split()
    assert {"evaluation", "registered", "answers"} <= set(words)


def test_one_is_shown_with_all_that_is_known_of_it(run: Path, tmp_path: Path) -> None:
    tune("register", run)
    tune("promote", "hr-1", "-n", "hr", "--reason", "A first try.")
    shown = tune("show", "hr-1")
    card = tmp_path / "data" / "adapters" / "about"
    for words in (
        "models/tiny, revision sha256:base", "adapter, rank 8", "passed", "It passed for a reason.", "served as it was trained",
        "2 documents, 1 person", "t" * 64, f"by {getpass.getuser()}", "the namespace hr", "adapter_model.safetensors",
        str(card), "dataset/card.md", "evaluation/report.md", "A first try.",
    ):  # fmt: skip
        assert words in shown
    row = as_json("show", "hr-1")
    assert (row["documents"], row["people"], row["answers_for"]) == (2, 1, ["hr"])
    assert Path(row["about"]["dataset/card.md"]).read_text() == "# Data card\n"
    assert [entry["reason"] for entry in row["audit"]] == ["A first try."]
    with pytest.raises(NotFound, match="lorekeeper tune list"):
        tune("show", "hr-9")


def test_a_rollback_is_in_the_audit_of_what_it_took_away_and_of_what_it_went_back_to(run: Path, tmp_path: Path) -> None:
    tune("register", run)
    tune("register", make_run(tmp_path / "other", "others"))
    tune("promote", "hr-1", "-n", "hr")
    tune("promote", "hr-2", "-n", "hr")
    tune("rollback", "-n", "hr", "--reason", "Too short.")
    for version in ("hr-1", "hr-2"):
        shown = tune("show", version)
        assert "rollback for the namespace hr to hr-1 by" in shown
        assert "Too short." in shown
    tune("rollback", "-n", "hr")
    assert "rollback for the namespace hr to no adapter of its own" in tune("show", "hr-1")
    assert [entry["action"] for entry in as_json("show", "hr-2")["audit"]] == ["promote", "rollback"]


def test_what_is_on_record_is_shown_while_the_store_is_away(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOREKEEPER_ADAPTERS__STORE", str(tmp_path / "store"))
    tune("register", run)
    monkeypatch.setenv("LOREKEEPER_ADAPTERS__STORE", "ftp://x")
    shown = tune("show", "hr-1")
    assert "models/tiny" in shown
    assert "adapters.store is ftp://x" in shown


def test_promotion_and_the_way_back(run: Path, tmp_path: Path) -> None:
    tune("register", run)
    tune("register", make_run(tmp_path / "other", "others"))
    said = tune("promote", "hr-1", "--namespace", "hr")
    assert "hr-1 answers for the namespace hr" in said
    assert "generation.base_url" in said
    assert "no document in the namespace hr" in said
    tune("promote", "hr-2", "--everywhere")
    assert answering() == {"hr-1": ["hr"], "hr-2": ["*"]}
    assert "hr-2, which is promoted everywhere, answers for the namespace hr" in tune("rollback", "-n", "hr")
    assert "the base model answers for every namespace" in tune("rollback", "--everywhere")
    assert answering() == {}
    with pytest.raises(InvalidRequest, match="promoted for the namespace hr, so there is nothing to roll back"):
        tune("rollback", "-n", "hr")
    with pytest.raises(InvalidRequest, match="promoted everywhere, so there is nothing to roll back"):
        tune("rollback", "--everywhere")


def test_a_promotion_everywhere_names_who_has_another(run: Path, tmp_path: Path) -> None:
    tune("register", run)
    tune("register", make_run(tmp_path / "other", "others"))
    tune("promote", "hr-1", "-n", "hr")
    assert "The namespace hr has a model of its own: hr-1." in tune("promote", "hr-2", "--everywhere")
    assert "model of its own" not in tune("promote", "hr-1", "--everywhere")


@pytest.mark.parametrize("place", [(), ("--namespace", "hr", "--everywhere"), ("--namespace", "../hr")])
def test_where_has_to_be_said(run: Path, place: tuple[str, ...]) -> None:
    tune("register", run)
    for command in (("promote", "hr-1"), ("rollback",)):
        with pytest.raises(InvalidRequest, match="namespace"):
            tune(*command, *place)


def test_the_gate_holds_without_force_and_a_reason(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", verdict=None)
    tune("register", run)
    with pytest.raises(InvalidRequest, match=r"has no evaluation: .*lorekeeper tune evaluate.*register its run again"):
        tune("promote", "hr-1", "-n", "hr")
    evaluate(run, Verdict.FAILED, "F1 fell by 0.2.")
    tune("register", run)
    with pytest.raises(InvalidRequest, match=r"F1 fell by 0\.2"):
        tune("promote", "hr-1", "-n", "hr", "--reason", "Please.")
    with pytest.raises(InvalidRequest, match="--reason"):
        tune("promote", "hr-1", "-n", "hr", "--force")
    tune("promote", "hr-1", "-n", "hr", "--force", "--reason", "A trial.")
    (entry,) = as_json("show", "hr-1")["audit"]
    assert (entry["is_forced"], entry["reason"], entry["by"]) == (True, "A trial.", getpass.getuser())
    assert "against the gate: A trial." in tune("show", "hr-1")


def test_force_that_was_not_needed_is_not_in_the_audit(run: Path) -> None:
    tune("register", run)
    assert not as_json("promote", "hr-1", "-n", "hr", "--force")["is_forced"]


def test_another_base_model_on_the_server_is_against_it(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tune("register", run)
    with fake_openai(root="Qwen/Qwen3-0.6B") as server:
        monkeypatch.setenv("LOREKEEPER_GENERATION__BASE_URL", server.url)
        with pytest.raises(InvalidRequest, match=r"trained on models/tiny.*serves Qwen/Qwen3-0\.6B.*--force --reason"):
            tune("promote", "hr-1", "-n", "hr")
        entry = as_json("promote", "hr-1", "-n", "hr", "--force", "--reason", "It is the same.")
    assert entry["is_forced"]
    assert "Qwen" in entry["notes"][0]


def test_what_the_settings_say_comes_first(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOREKEEPER_NAMESPACES", json.dumps({"hr": {"model": "mine"}}))
    tune("register", run)
    with pytest.raises(InvalidRequest, match=r"namespaces\.hr\.model"):
        tune("promote", "hr-1", "-n", "hr")
    assert "The namespace hr has a model of its own: mine." in tune("promote", "hr-1", "--everywhere")


def test_retired_is_for_good(run: Path, tmp_path: Path) -> None:
    tune("register", run)
    tune("promote", "hr-1", "-n", "hr")
    with pytest.raises(InvalidRequest, match="lorekeeper tune rollback --namespace hr"):
        tune("retire", "hr-1", "--erase")
    tune("rollback", "-n", "hr")
    assert "hr-1 is retired." in tune("retire", "hr-1")
    assert contents(tmp_path / "data" / "adapters")
    with pytest.raises(InvalidRequest, match="is retired"):
        tune("promote", "hr-1", "-n", "hr")
    assert "are erased" in tune("retire", "hr-1", "--erase")
    assert not contents(tmp_path / "data" / "adapters")
    assert as_json("list")["adapters"][0]["retired_at"]


def test_erasing_leaves_what_is_known_of_the_same_files_that_were_registered_again(run: Path) -> None:
    tune("register", run)
    tune("retire", "hr-1")
    tune("register", run)
    about = as_json("show", "hr-2")["about"]
    assert "Its files stay, because hr-2" in tune("retire", "hr-1", "--erase")
    assert about
    assert as_json("show", "hr-2")["about"] == about


def test_erasing_leaves_the_files_that_another_version_needs(run: Path, tmp_path: Path) -> None:
    tune("register", run)
    tune("register", run, "--name", "legal")
    assert "Its files stay, because legal-1" in tune("retire", "hr-1", "--erase")
    target = Path(tune("fetch", "legal-1", tmp_path / "out").strip())
    assert contents(target)["adapter_model.safetensors"] == "weights"


def test_who_learnt_from_a_document_or_a_person(run: Path) -> None:
    tune("register", run)
    tune("promote", "hr-1", "-n", "hr")
    for wanted in (DOCUMENTS[0], DOCUMENTS[0][:8], ANN):
        assert [each["id"] for each in as_json("uses", wanted)["adapters"]] == ["hr-1"]
    said = tune("uses", ANN)
    assert "hr-1" in said
    assert "retire these with --erase" in said
    assert "No adapter on record" in tune("uses", "slack:U2")


def test_too_little_of_a_documents_id_is_not_taken_for_unknown(run: Path) -> None:
    tune("register", run)
    for beginning in (DOCUMENTS[0][:5], ""):
        with pytest.raises(InvalidRequest, match="at least 6 characters"):
            tune("uses", beginning)
    assert "No adapter on record" in tune("uses", "abc")


def test_a_beginning_of_several_documents_ids_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.tuning.registry.runs.DOCUMENTS", ("abcdef01", "abcdef02"))
    tune("register", make_run(tmp_path / "run"))
    with pytest.raises(InvalidRequest, match="More than one"):
        tune("uses", "abcdef")
    assert as_json("uses", "abcdef01")["adapters"]


def test_names_from_a_run_cannot_drive_the_terminal(tmp_path: Path) -> None:
    tune("register", make_run(tmp_path / "run", method="lora\x1b[31m"))
    assert "\x1b[31m" not in tune("list") + tune("show", "hr-1")
