"""Settings: file, environment, mistakes, secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import InvalidSettings
from core.settings import load
from core.settings_example import example


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("LOREKEEPER_DATA_DIR", "LOREKEEPER_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)


def environment(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_without_a_file_the_defaults_hold() -> None:
    settings = load()
    assert settings.server.port == 8080
    assert settings.server.host == "127.0.0.1"
    assert settings.is_embedded


def test_the_file_in_the_working_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "lorekeeper.toml").write_text('[server]\nport = 9000\n[namespaces.hr]\ncontact = "#hr"\n')
    settings = load()
    assert settings.server.port == 9000
    assert settings.namespaces["hr"].contact == "#hr"


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lorekeeper.toml").write_text("[server]\nport = 9000\nmax_upload_mb = 7\n")
    environment(monkeypatch, LOREKEEPER_SERVER__PORT="9001")
    settings = load()
    assert settings.server.port == 9001
    assert settings.server.max_upload_mb == 7


def test_a_file_named_by_the_environment_has_to_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, LOREKEEPER_CONFIG=str(tmp_path / "missing.toml"))
    with pytest.raises(InvalidSettings, match=r"missing\.toml"):
        load()


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("[server]\nprot = 1\n", "server.port"),
        ("[retreival]\npassages = 3\n", "retrieval"),
        ('[namespaces.hr]\ncontct = "x"\n', "namespaces.hr.contact"),
    ],
)
def test_an_unknown_key_is_refused_and_the_right_one_named(tmp_path: Path, text: str, suggestion: str) -> None:
    (tmp_path / "lorekeeper.toml").write_text(text)
    with pytest.raises(InvalidSettings, match=f"Did you mean {suggestion}"):
        load()


def test_an_unknown_variable_is_refused_and_the_right_one_named(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, LOREKEEPER_SERVER__PROT="1")
    with pytest.raises(InvalidSettings, match="Did you mean LOREKEEPER_SERVER__PORT"):
        load()


@pytest.mark.parametrize("text", ["[server]\nport = 99999\n", "[server\n", "[generation]\nmode = 'magic'\n"])
def test_a_wrong_value_is_a_clear_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "lorekeeper.toml").write_text(text)
    with pytest.raises(InvalidSettings):
        load()


def test_tokens_come_by_the_platforms_own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(
        monkeypatch,
        SLACK_BOT_TOKEN="xoxb-1",
        SLACK_APP_TOKEN="xapp-1",
        SLACK_SIGNING_SECRET="sign",
        DISCORD_TOKEN="disc",
    )
    settings = load()
    assert settings.slack.bot_token.get_secret_value() == "xoxb-1"
    assert settings.slack.app_token.get_secret_value() == "xapp-1"
    assert settings.slack.signing_secret.get_secret_value() == "sign"
    assert settings.discord.token.get_secret_value() == "disc"


def test_our_own_variable_wins_over_the_platforms(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, DISCORD_TOKEN="theirs", LOREKEEPER_DISCORD__TOKEN="ours")
    assert load().discord.token.get_secret_value() == "ours"


def test_secrets_are_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, SLACK_BOT_TOKEN="xoxb-secret", LOREKEEPER_DATABASE__URL="postgresql://u:hunter2@h/d")
    text = repr(load())
    assert "xoxb-secret" not in text
    assert "hunter2" not in text


def test_the_data_folder_is_set_by_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, LOREKEEPER_DATA_DIR=str(tmp_path / "data"))
    settings = load()
    assert settings.data_dir == tmp_path / "data"
    assert settings.database_url == "sqlite:///lorekeeper.db"


def test_the_example_file_is_current_and_loads(tmp_path: Path) -> None:
    checked_in = Path(__file__).parents[2] / "deploy" / "lorekeeper.example.toml"
    assert checked_in.read_text() == example(), "renew it with: make settings-example"
    switched_on = "\n".join(line.removeprefix("# ") if " = " in line else line for line in example().splitlines())
    settings_text = "\n".join(line for line in switched_on.splitlines() if not line.startswith("#"))
    (tmp_path / "lorekeeper.toml").write_text(settings_text)
    assert load().server.port == 8080


@pytest.mark.parametrize(
    "text", ['slack = "x"\n', "data_dir = 5\n", 'data_dir = ""\n', 'data_dir = "~nosuchuser/x"\n', "server = 3\n"]
)
def test_a_value_of_the_wrong_kind_is_a_mistake_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "lorekeeper.toml").write_text(text)
    environment(monkeypatch, SLACK_BOT_TOKEN="xoxb-secret")
    with pytest.raises(InvalidSettings) as refused:
        load()
    assert "xoxb-secret" not in str(refused.value)


def test_a_section_cannot_be_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, LOREKEEPER_SERVER="abc")
    with pytest.raises(InvalidSettings, match="server"):
        load()


def test_an_answer_may_not_take_the_whole_window(tmp_path: Path) -> None:
    (tmp_path / "lorekeeper.toml").write_text("[generation]\ncontext_tokens = 1024\nmax_tokens = 600\n")
    with pytest.raises(InvalidSettings, match="max_tokens may be at most half of context_tokens"):
        load()


def test_a_namespace_needs_a_name_that_fits_an_address(tmp_path: Path) -> None:
    (tmp_path / "lorekeeper.toml").write_text('[namespaces."HR docs"]\ncontact = "#hr"\n')
    with pytest.raises(InvalidSettings, match="HR docs"):
        load()


# ── secrets as files ─────────────────────────────────────────────────────────────────────────────


def test_a_secret_may_be_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "url").write_text("sqlite:///elsewhere.db\n")
    (tmp_path / "token").write_text("xoxb-1-2\n")
    environment(
        monkeypatch,
        LOREKEEPER_DATABASE__URL_FILE=str(tmp_path / "url"),
        SLACK_BOT_TOKEN_FILE=str(tmp_path / "token"),
    )
    settings = load()
    assert settings.database_url == "sqlite:///elsewhere.db"
    assert settings.slack.bot_token.get_secret_value() == "xoxb-1-2"


def test_an_empty_file_is_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("\n")
    environment(monkeypatch, DISCORD_TOKEN_FILE=str(tmp_path / "token"))
    assert not load().discord.token.get_secret_value()


def test_the_file_of_a_secret_wins_over_the_file_of_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lorekeeper.toml").write_text('[generation]\napi_key = "old"\nmodel = "small"\n')
    (tmp_path / "key").write_text("new")
    environment(monkeypatch, LOREKEEPER_GENERATION__API_KEY_FILE=str(tmp_path / "key"))
    generation = load().generation
    assert (generation.api_key.get_secret_value(), generation.model) == ("new", "small")


@pytest.mark.parametrize(
    ("content", "words"), [(None, "No such file"), (b"\xff\xfe", "it is no text"), (b"x" * 70_000, "too large")]
)
def test_a_secret_that_cannot_be_read_is_refused_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    environment(monkeypatch, DISCORD_TOKEN_FILE=str(tmp_path / "token"))
    with pytest.raises(InvalidSettings, match=words) as refused:
        load()
    assert "DISCORD_TOKEN_FILE" in refused.value.message
    assert "xxxx" not in refused.value.message


def test_a_secret_is_given_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("one")
    environment(monkeypatch, DISCORD_TOKEN="two", DISCORD_TOKEN_FILE=str(tmp_path / "token"))
    with pytest.raises(InvalidSettings, match="both set"):
        load()


@pytest.mark.parametrize("as_platform", ["SLACK_BOT_TOKEN", "SLACK_BOT_TOKEN_FILE"])
@pytest.mark.parametrize("as_ours", ["LOREKEEPER_SLACK__BOT_TOKEN", "LOREKEEPER_SLACK__BOT_TOKEN_FILE"])
def test_our_name_of_a_secret_wins_over_the_platforms_whether_as_variable_or_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_ours: str, as_platform: str
) -> None:
    for name, token in ((as_ours, "xoxb-ours"), (as_platform, "xoxb-platforms")):
        (tmp_path / name).write_text(token)
        environment(monkeypatch, **{name: str(tmp_path / name) if name.endswith("_FILE") else token})
    assert load().slack.bot_token.get_secret_value() == "xoxb-ours"


def test_an_empty_file_takes_the_place_of_no_other_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("")
    environment(monkeypatch, LOREKEEPER_DISCORD__TOKEN_FILE=str(tmp_path / "token"), DISCORD_TOKEN="given")
    assert load().discord.token.get_secret_value() == "given"


@pytest.mark.parametrize("otherwise", ["file", "platform", "toml"])
def test_an_empty_variable_takes_the_place_of_no_other_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, otherwise: str
) -> None:
    (tmp_path / "token").write_text("given")
    if otherwise == "file":
        environment(monkeypatch, LOREKEEPER_DISCORD__TOKEN_FILE=str(tmp_path / "token"))
    elif otherwise == "platform":
        environment(monkeypatch, DISCORD_TOKEN="given")
    else:
        (tmp_path / "lorekeeper.toml").write_text('[discord]\ntoken = "given"\n')
    environment(monkeypatch, LOREKEEPER_DISCORD__TOKEN="")
    assert load().discord.token.get_secret_value() == "given"


def test_an_empty_variable_of_another_setting_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lorekeeper.toml").write_text('[generation]\nmodel = "small"\n')
    environment(monkeypatch, LOREKEEPER_GENERATION__MODEL="")
    assert load().generation.model == ""


def test_what_is_no_secret_has_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, LOREKEEPER_SERVER__HOST_FILE=str(tmp_path / "host"))
    with pytest.raises(InvalidSettings, match="LOREKEEPER_SERVER__HOST_FILE is no setting"):
        load()
