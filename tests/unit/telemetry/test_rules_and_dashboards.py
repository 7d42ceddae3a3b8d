"""Alert rules, dashboards and targets, as far as they can be judged without a server."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from tests.metrics_table import PROCESSES, known_samples, labels_of, unknown_in
from tests.prometheus import TELEMETRY

RULES = [
    rule
    for group in yaml.safe_load((TELEMETRY / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARDS = {
    path.stem: json.loads(path.read_text())
    for path in sorted((TELEMETRY / "dashboards").glob("*.json"))
}
RUNBOOK = re.compile(r"Means: [A-Z`].*\. Look at: .*\. Do: .*\.")
ALERT_LABEL = re.compile(r"\$labels\.(\w+)")
LEGEND_LABEL = re.compile(r"\{\{(\w+)\}\}")
METRIC = re.compile(r"\b(?:chronos|process|python)_[a-z_]+\b")


def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


EXPRESSIONS = [
    (target["expr"], target["legendFormat"])
    for dashboard in DASHBOARDS.values()
    for panel in panels(dashboard)
    for target in panel["targets"]
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_metrics_and_labels_that_exist(rule):
    told = " ".join(rule["annotations"].values())

    assert unknown_in(rule["expr"]) == []
    assert set(ALERT_LABEL.findall(told)) <= labels_of(rule["expr"])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_it_means_what_to_look_at_and_what_to_do(rule):
    notes = rule["annotations"]

    assert tuple(notes) == ("summary", "runbook")
    assert RUNBOOK.fullmatch(notes["runbook"])
    assert rule["labels"] in ({"severity": "page"}, {"severity": "ticket"})
    assert rule["alert"].startswith("Chronos")


def test_the_runbook_names_metrics_that_exist():
    told = " ".join(note for rule in RULES for note in rule["annotations"].values())

    assert set(METRIC.findall(told)) <= set(known_samples()) | {
        name.removesuffix("_bucket") for name in known_samples()
    }


def test_no_two_alerts_have_one_name():
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_silent():
    cases = yaml.safe_load((Path(__file__).parent / "alerts_test.yml").read_text())
    names = [re.sub(r"( fires| is silent).*", r"\1", case["name"]) for case in cases["tests"]]

    wanted = [f"{rule['alert']} {how}" for rule in RULES for how in ("fires", "is silent")]
    assert sorted(names) == sorted(wanted)


@pytest.mark.parametrize(("expression", "legend"), EXPRESSIONS)
def test_a_panel_asks_for_metrics_and_labels_that_exist(expression, legend):
    assert unknown_in(expression) == []
    assert set(LEGEND_LABEL.findall(legend)) <= labels_of(expression)


def test_what_does_not_exist_is_found():
    assert unknown_in("rate(chronos_append_seconds_total[1m])") == [
        "chronos_append_seconds_total"
    ]
    assert unknown_in('up{proces="api"}') == ["up{proces}"]
    assert unknown_in("sum by (colour) (chronos_commands_pending)") == ["by (colour)"]
    assert unknown_in("histogram_quantile(0.9, rate(chronos_append_seconds[1m]))") == [
        "chronos_append_seconds"
    ]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_can_be_provisioned(name):
    dashboard = DASHBOARDS[name]
    (variable,) = dashboard["templating"]["list"]

    assert dashboard["uid"] == f"chronos-{name}"
    assert (variable["name"], variable["type"]) == ("datasource", "datasource")
    assert "id" not in dashboard, "Grafana gives its own"
    for panel in panels(dashboard):
        sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert all(source["uid"] == "${datasource}" for source in sources)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_panel_has_a_place_a_unit_and_a_sentence(name):
    dashboard = DASHBOARDS[name]

    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    for panel in panels(dashboard):
        assert panel["description"].endswith("."), panel["title"]
        if panel["type"] in ("timeseries", "stat"):
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
    for one, other in combinations([panel["gridPos"] for panel in dashboard["panels"]], 2):
        assert not overlap(one, other)


def test_the_dashboards_are_the_four_that_are_promised():
    assert set(DASHBOARDS) == {"overview", "write-path", "pipeline", "read-models"}


@pytest.mark.parametrize("file", ["targets.yml", "targets.compose.yml"])
def test_every_kind_of_process_is_scraped(file):
    groups = yaml.safe_load((TELEMETRY / file).read_text())

    assert tuple(group["labels"]["process"] for group in groups) == PROCESSES
    assert all(group["targets"] for group in groups)


def overlap(one, other):
    apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    return not (apart_x or apart_y)
