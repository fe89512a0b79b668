"""The documentation names every setting that exists, with its default, and none that does not."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from core.settings import PLATFORM_NAMES, Namespace, Settings, load
from core.settings_documents import Section

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
CONFIGURATION = ROOT / "docs" / "configuration.md"
ROW = re.compile(r"(?m)^\| `([^`]+)` \| `([^`]*)` \| (.+) \|$")
TOML = re.compile(r"(?ms)^```toml\n(.*?)^```")
VARIABLE = re.compile(r"\bLOREKEEPER_[A-Z0-9_]*[A-Z0-9]\b")
# What the stack asks of `deploy/.env`, which no process of ours reads.
OF_THE_STACK = re.compile(r"\$\{(LOREKEEPER_[A-Z_]+)")
# Depend on the user's home, so the page names the usual place.
FOLDERS = {"data_dir": "~/.local/share/lorekeeper", "cache_dir": "~/.cache/lorekeeper"}
SHOWN = {path.name: path for path in PAGES}


def settings(prefix: str, section: type[Section]) -> Iterator[tuple[str, Any]]:
    fields = section.model_fields.items()
    return ((f"{prefix}.{key}", field.get_default(call_default_factory=True)) for key, field in fields)


def every_setting() -> dict[str, Any]:
    """Key, as the page writes it, to default."""
    found: dict[str, Any] = dict(FOLDERS)
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            found.update(settings(name, field.annotation))
        elif name != "namespaces":
            assert name in FOLDERS
    return found | dict(settings("namespaces.NAME", Namespace))


def documented() -> dict[str, str]:
    return {key: default for key, default, _ in ROW.findall(CONFIGURATION.read_text(encoding="utf-8"))}


def test_every_setting_is_documented_and_no_other() -> None:
    assert sorted(documented()) == sorted(every_setting())


def test_every_documented_default_is_the_real_one() -> None:
    plain = {
        key: value.get_secret_value() if isinstance(value, SecretStr) else value
        for key, value in every_setting().items()
    }
    assert documented() == {key: json.dumps(value) for key, value in plain.items()}


def test_every_section_of_the_code_has_settings_of_its_own_in_the_tables() -> None:
    rows = ROW.findall(CONFIGURATION.read_text(encoding="utf-8"))
    assert len(rows) == len({key for key, _, _ in rows}), "a setting stands in two rows"
    assert all(meaning.strip() for _, _, meaning in rows)


@pytest.mark.parametrize("variable", [*PLATFORM_NAMES, "LOREKEEPER_CONFIG", "LOREKEEPER_DATA_DIR"])
def test_every_variable_outside_the_naming_rule_is_documented(variable: str) -> None:
    assert f"`{variable}`" in CONFIGURATION.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", SHOWN.values(), ids=SHOWN.keys())
def test_every_variable_that_a_page_names_is_a_setting(page: Path) -> None:
    sections = {name.upper() for name in Settings.model_fields}
    elsewhere = {
        "LOREKEEPER_CONFIG",
        *OF_THE_STACK.findall((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8")),
    }
    for variable in VARIABLE.findall(page.read_text(encoding="utf-8")):
        if variable in elsewhere:
            continue
        section, _, rest = variable.removeprefix("LOREKEEPER_").partition("__")
        assert section in sections, variable
        key = f"{section}.{rest}".lower() if rest else section.lower()
        if section == "NAMESPACES":
            key = f"namespaces.NAME.{rest.rpartition('__')[2].lower()}"
        assert key in every_setting(), variable


@pytest.mark.parametrize("page", SHOWN.values(), ids=SHOWN.keys())
def test_every_example_of_a_settings_file_is_accepted(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, text in enumerate(TOML.findall(page.read_text(encoding="utf-8"))):
        file = tmp_path / f"{number}.toml"
        file.write_text(text)
        assert tomllib.loads(text)
        load({"LOREKEEPER_CONFIG": str(file)})
