"""The rules and the scrape file before Prometheus' own tool."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from tests.prometheus import TELEMETRY, find_tools, hastened

CASES = Path(__file__).parent / "alerts_test.yml"


@pytest.fixture(scope="module")
def tools():
    return find_tools()


def test_the_scrape_file_and_its_rules_are_valid(tools):
    said = tools.check("check", "config", TELEMETRY / "prometheus.yml")

    assert "SUCCESS: 1 rule files found" in said


def test_every_alert_fires_when_it_should_and_is_silent_when_not(tools, tmp_path):
    for file in (TELEMETRY / "alerts.yml", CASES):
        shutil.copy(file, tmp_path)

    assert "SUCCESS" in tools.check("test", "rules", tmp_path / CASES.name)


def test_a_case_that_is_wrong_is_found(tools, tmp_path):
    shutil.copy(TELEMETRY / "alerts.yml", tmp_path)
    text = CASES.read_text().replace(
        "exp_samples: []", "exp_samples: [{labels: '{}', value: 1}]"
    )
    (tmp_path / CASES.name).write_text(text)

    with pytest.raises(AssertionError, match="FAILED"):
        tools.check("test", "rules", tmp_path / CASES.name)


def test_hastened_rules_are_valid_and_only_their_times_differ(tools, tmp_path):
    rules = (TELEMETRY / "alerts.yml").read_text()
    (tmp_path / "alerts.yml").write_text(hastened(rules, every_s=1))

    def timeless(text):
        return [
            {key: value for key, value in rule.items() if key not in ("for", "expr")}
            for group in yaml.safe_load(text)["groups"]
            for rule in group["rules"]
        ]

    assert "SUCCESS" in tools.check("check", "rules", tmp_path / "alerts.yml")
    assert timeless((tmp_path / "alerts.yml").read_text()) == timeless(rules)
