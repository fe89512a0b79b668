"""The alerts: they are about metrics that there are, they tell when they should, and say what to do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.deploy.live import exposed, mistakes
from tests.docs.test_links import anchors

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "prometheus"
HOW_TO_INSTALL = (
    "promtool is not installed (Debian and Ubuntu: apt-get install prometheus; macOS: brew install prometheus)."
)


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def promtool(*arguments: str) -> None:
    """Skips without it, unless TEST_REQUIRE names promtool: then it fails."""
    program = shutil.which("promtool")
    if program is None and "promtool" in os.environ.get("TEST_REQUIRE", ""):
        pytest.fail(HOW_TO_INSTALL)
    if program is None:
        pytest.skip(HOW_TO_INSTALL)
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, cwd=FOLDER)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_about_metrics_and_labels_that_there_are() -> None:
    series = exposed()
    found = {rule["alert"]: list(mistakes(rule["expr"], series)) for rule in rules()}
    assert found == {rule["alert"]: [] for rule in rules()}


@pytest.mark.parametrize(
    "expression",
    [
        "max(lorekeeper_nothing) > 0",
        'max(lorekeeper_jobs{status="waiting"}) > 0',
        'max(lorekeeper_jobs{state="lost"}) > 0',
        "sum by (code) (lorekeeper_jobs) > 0",
        "1 > 0",
    ],
)
def test_what_there_is_not_is_noticed(expression: str) -> None:
    assert list(mistakes(expression, exposed()))


def test_every_alert_says_what_is_wrong_and_what_to_do_and_links_to_more() -> None:
    headings = anchors(ROOT / "docs" / "operations.md")
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(rule["annotations"]) == {"summary", "action", "runbook"}
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert page == "docs/operations.md"
        assert anchor in headings, rule["alert"]


def test_every_alert_is_tested_to_tell() -> None:
    tests = yaml.safe_load((FOLDER / "alerts_test.yml").read_text())["tests"]
    checks = [check for test in tests for check in test["alert_rule_test"]]
    assert {check["alertname"] for check in checks if check["exp_alerts"]} == {rule["alert"] for rule in rules()}


def test_the_rules_are_valid() -> None:
    promtool("check", "rules", "alerts.yml")


def test_the_configuration_is_valid() -> None:
    promtool("check", "config", "prometheus.yml")


def test_alerts_tell_when_they_should_and_only_then() -> None:
    promtool("test", "rules", "alerts_test.yml")


def test_every_process_of_the_stack_is_watched() -> None:
    scraped = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    (watched,) = next(each for each in scraped if each["job_name"] == "lorekeeper")["dns_sd_configs"]
    stack = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    bots = [name for name, each in stack["services"].items() if each.get("command", [])[:1] == ["run"]]
    port = stack["x-environment"]["LOREKEEPER_SERVER__PROBE_PORT"]
    assert (sorted(watched["names"]), watched["port"]) == (sorted(bots), int(port))


def test_every_metric_is_documented_and_no_other() -> None:
    page = (ROOT / "docs" / "http-api.md").read_text()
    documented = set(re.findall(r"(?m)^\| `(lorekeeper_\w+)` \|", page))
    endings = ("_bucket", "_sum", "_count", "_created")
    exists = {name for name in exposed() if name.startswith("lorekeeper_") and not name.endswith(endings)}
    histograms = {name.removesuffix("_bucket") for name in exposed() if name.endswith("_bucket")}
    assert documented == exists | histograms
