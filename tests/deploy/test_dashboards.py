"""The dashboards: Grafana can load them, and each panel shows metrics that there are."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml  # type: ignore[import-untyped]
from pydantic import BaseModel, ConfigDict, Field

from tests.deploy.live import exposed, mistakes
from tests.deploy.test_alerts import promtool

FOLDER = Path(__file__).parents[2] / "deploy" / "grafana"
DASHBOARDS = sorted((FOLDER / "dashboards").glob("*.json"))
COLUMNS = 24
# Grafana's own variable, in a length that Prometheus can parse.
INTERVAL = ("$__rate_interval", "5m")


class Strict(BaseModel):
    """Of Grafana's model, what is used here; what else stands in the file is a mistake."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Source(Strict):
    type: Literal["prometheus"]
    uid: str


class Place(Strict):
    x: int = Field(ge=0, lt=COLUMNS)
    y: int = Field(ge=0)
    w: int = Field(ge=1, le=COLUMNS)
    h: int = Field(ge=2)


class Target(Strict):
    refId: str = Field(pattern=r"^[A-Z]$")  # noqa: N815 - Grafana's names
    datasource: Source
    expr: str
    legendFormat: str = Field(min_length=1)  # noqa: N815
    instant: bool = False


class Defaults(Strict):
    unit: Literal["short", "s", "bytes", "percentunit", "reqps"]
    min: float
    max: float | None = None
    thresholds: dict[str, Any] | None = None
    mappings: list[dict[str, Any]] = []
    custom: dict[str, Any] | None = None


class Fields(Strict):
    defaults: Defaults
    overrides: list[Any] = Field(max_length=0)


class Panel(Strict):
    id: int = Field(ge=1)
    type: Literal["stat", "timeseries"]
    title: str = Field(min_length=1)
    description: str = Field(min_length=1)
    datasource: Source
    gridPos: Place  # noqa: N815
    fieldConfig: Fields  # noqa: N815
    targets: list[Target] = Field(min_length=1)
    options: dict[str, Any]


class Dashboard(Strict):
    uid: str = Field(pattern=r"^[a-z-]{1,40}$")
    title: str
    description: str
    tags: list[str]
    timezone: Literal["browser"]
    schemaVersion: int = Field(ge=36)  # noqa: N815
    version: int
    editable: bool
    graphTooltip: Literal[0, 1, 2]  # noqa: N815
    refresh: str
    time: dict[Literal["from", "to"], str]
    templating: dict[Literal["list"], list[Any]]
    annotations: dict[Literal["list"], list[dict[str, Any]]]
    links: list[Any]
    panels: list[Panel]


@pytest.fixture(params=DASHBOARDS, ids=lambda path: path.stem)
def dashboard(request: pytest.FixtureRequest) -> Dashboard:
    return Dashboard.model_validate_json(request.param.read_bytes())


def test_there_are_two_with_ids_of_their_own() -> None:
    assert [path.stem for path in DASHBOARDS] == ["documents", "questions"]
    assert len({json.loads(path.read_text())["uid"] for path in DASHBOARDS}) == 2


def test_panels_have_ids_and_places_of_their_own(dashboard: Dashboard) -> None:
    assert len({panel.id for panel in dashboard.panels}) == len(dashboard.panels)
    for panel in dashboard.panels:
        assert panel.gridPos.x + panel.gridPos.w <= COLUMNS, panel.title
    for one, other in combinations(dashboard.panels, 2):
        assert not overlap(one.gridPos, other.gridPos), (one.title, other.title)


def overlap(one: Place, other: Place) -> bool:
    return (
        one.x < other.x + other.w and other.x < one.x + one.w and one.y < other.y + other.h and other.y < one.y + one.h
    )


def test_every_panel_asks_for_metrics_and_labels_that_there_are(dashboard: Dashboard) -> None:
    series = exposed()
    for expression in expressions(dashboard):
        assert list(mistakes(expression, series)) == [], expression


def test_legends_name_labels_that_are_left(dashboard: Dashboard) -> None:
    for panel in dashboard.panels:
        for target in panel.targets:
            for part in target.legendFormat.split("{{")[1:]:
                label = part.partition("}}")[0].strip()
                assert label in target.expr or (label == "instance" and " by " not in target.expr), panel.title


def test_every_expression_can_be_parsed(dashboard: Dashboard, tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": each} for number, each in enumerate(expressions(dashboard))]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", "--lint=none", str(file))


def test_the_data_source_is_the_one_that_is_provisioned(dashboard: Dashboard) -> None:
    (source,) = yaml.safe_load((FOLDER / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    used = {panel.datasource.uid for panel in dashboard.panels}
    used |= {target.datasource.uid for panel in dashboard.panels for target in panel.targets}
    assert used == {source["uid"]}


def expressions(dashboard: Dashboard) -> list[str]:
    panels = [target.expr for panel in dashboard.panels for target in panel.targets]
    shown = [each["expr"] for each in dashboard.annotations["list"]]
    return [each.replace(*INTERVAL) for each in (*panels, *shown)]
