"""The command as a person meets it first: help, wrong settings, wrong paths, the doctor."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bots.command import Place, place

HEAVY = {
    "alembic", "chromadb", "datasets", "evals", "fastapi", "httpx", "ingest", "langchain_core", "langchain_openai", "matplotlib", "numpy",
    "onnxruntime", "openai", "peft", "prometheus_client", "pypdfium2", "selectolax", "sqlalchemy", "tokenizers", "torch", "transformers",
    "uvicorn",
}  # fmt: skip
SECRETS = {
    "SLACK_BOT_TOKEN": "xoxb-sesame-bot",
    "SLACK_APP_TOKEN": "xapp-sesame-app",
    "SLACK_SIGNING_SECRET": "sesame-signing",
    "LOREKEEPER_SLACK__API_URL": "http://127.0.0.1:9/api/",
    "DISCORD_TOKEN": "sesame-discord",
    "LOREKEEPER_DISCORD__API_URL": "http://127.0.0.1:9/api/",
    "LOREKEEPER_GENERATION__API_KEY": "sesame-generation",
    "LOREKEEPER_GENERATION__BASE_URL": "http://127.0.0.1:9/v1",
    "LOREKEEPER_CHROMA__TOKEN": "sesame-chroma",
}


@pytest.fixture
def here(tmp_path: Path) -> Place:
    return place(tmp_path)


def test_help_lists_the_commands_and_imports_nothing_heavy(here: Place) -> None:
    done = here.with_modules("--help")
    assert done.status == 0
    assert all(name in done.out for name in ("run", "ask", "chat", "documents", "doctor", "eval"))
    assert done.modules & HEAVY == set()


@pytest.mark.parametrize(("group", "own"), [("tune", "tuning"), ("eval", "evals")])
def test_the_help_of_a_group_with_heavy_commands_imports_nothing_heavy(here: Place, group: str, own: str) -> None:
    done = here.with_modules(group, "--help")
    assert done.status == 0
    assert own in done.modules
    assert done.modules & (HEAVY - {own}) == set()


def test_an_unknown_command_is_an_error_that_points_to_help(here: Place) -> None:
    done = here.run("aks", "How many days?")
    assert done.status == 2
    assert "aks" in done.err
    assert "Traceback" not in done.err


def test_a_path_that_does_not_exist_is_named(here: Place) -> None:
    done = here.run("documents", "add", "no/such/folder")
    assert done.status == 1
    assert "no/such/folder does not exist" in done.err
    assert not here.data.exists()


def test_a_wrong_key_in_the_settings_file_suggests_the_right_one(here: Place) -> None:
    (here.folder / "lorekeeper.toml").write_text("[generation]\nbase_ur = 'http://127.0.0.1:8000/v1'\n")
    done = here.run("ask", "How many days?")
    assert done.status == 2
    assert "generation.base_ur is no setting. Did you mean generation.base_url?" in done.err
    assert "Traceback" not in done.err


def test_a_wrong_variable_suggests_the_right_one(tmp_path: Path) -> None:
    done = place(tmp_path, LOREKEEPER_GENERATION__BASEURL="x").run("documents", "list")
    assert done.status == 2
    assert "Did you mean LOREKEEPER_GENERATION__BASE_URL?" in done.err


def test_a_data_folder_that_cannot_be_made_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = place(tmp_path, LOREKEEPER_DATA_DIR=str(tmp_path / "file" / "data")).run("ask", "How many days?")
    assert done.status == 1
    assert "LOREKEEPER_DATA_DIR" in done.err
    assert "Traceback" not in done.err


def test_an_unknown_part_to_run_is_named(here: Place) -> None:
    done = here.run("run", "--only", "telex")
    assert done.status == 1
    assert "telex" in done.err
    assert "gateway" in done.err


@pytest.mark.parametrize(("name", "token"), [("slack", "SLACK_BOT_TOKEN"), ("discord", "DISCORD_TOKEN")])
def test_a_chat_platform_alone_cannot_run_without_its_tokens(here: Place, name: str, token: str) -> None:
    done = here.run("run", "--only", name)
    assert done.status == 2
    assert token in done.err
    assert "Traceback" not in done.err


def test_a_database_that_is_down_is_an_error_without_its_password(tmp_path: Path) -> None:
    url = "postgresql+psycopg://lore:sesame@127.0.0.1:9/lore"
    done = place(tmp_path, LOREKEEPER_DATABASE__URL=url).run("documents", "list")
    assert done.status == 1
    assert "Error: " in done.err
    assert "sesame" not in done.out + done.err
    assert "Traceback" not in done.err


def test_the_doctor_tells_when_a_question_is_not_answered(tmp_path: Path) -> None:
    (line,) = [line for line in place(tmp_path).run("doctor").out.splitlines() if "no-answer" in line]
    assert "answers from a confidence of 0.5; fitted on the evaluation data" in line
    chosen = place(tmp_path, LOREKEEPER_RETRIEVAL__MIN_CONFIDENCE="0.3").run("doctor").out
    assert "answers from a confidence of 0.3, set by retrieval.min_confidence" in chosen


def test_the_doctor_has_a_line_for_everything_and_tells_no_secret(tmp_path: Path) -> None:
    done = place(tmp_path, **SECRETS).run("doctor")
    lines = {line[10:].split(":")[0]: line for line in done.out.splitlines()}
    assert set(lines) == {
        "settings", "data folder", "embedding", "gateway", "no-answer", "database", "index", "model", "disk", "slack bot",
        "slack events", "discord bot",
    }  # fmt: skip
    assert "Slack cannot be reached" in lines["slack bot"]
    assert "Discord cannot be reached" in lines["discord bot"]
    assert lines["model"].startswith("degraded")
    assert "generation.base_url" in lines["model"]
    assert "sesame" not in done.out + done.err
    assert done.status == 0


def test_the_doctor_names_a_broken_setting_and_fails(tmp_path: Path) -> None:
    done = place(tmp_path, LOREKEEPER_SERVER__PORT="eighty", SLACK_BOT_TOKEN="xoxb-sesame").run("doctor")
    assert done.status == 1
    (line,) = done.out.splitlines()
    assert line.startswith("FAILED    settings:")
    assert "server.port" in line
    assert "sesame" not in done.out + done.err


def test_the_doctor_fails_when_the_index_cannot_be_used(here: Place) -> None:
    here.data.mkdir()
    (here.data / "lorekeeper.db").write_bytes(b"this is no database" * 100)
    done = here.run("doctor")
    assert done.status == 1
    assert "FAILED" in done.out
    assert "Traceback" not in done.out + done.err
