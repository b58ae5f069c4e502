"""What Prometheus and Grafana are given, read by parsers of theirs: the metrics, the alert rules, the dashboard."""

import json
import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from tests.unit.model.test_metrics import text

EXAMPLES = Path(__file__).resolve().parents[2] / "examples/prometheus"
RULES: list[dict[str, Any]] = YAML(typ="safe").load((EXAMPLES / "nvkeep.rules.yml").read_text())["groups"][0]["rules"]
PANELS: list[dict[str, Any]] = json.loads((EXAMPLES / "dashboard.json").read_text())["panels"]
EXPRESSIONS = [rule["expr"] for rule in RULES] + [panel["targets"][0]["expr"] for panel in PANELS]


def written() -> set[str]:
    return {sample.name for family in text_string_to_metric_families(text()) for sample in family.samples}


def test_another_parser_reads_every_metric_and_its_help() -> None:
    families = list(text_string_to_metric_families(text()))
    assert len(families) == 15
    assert all(family.documentation and family.type in ("gauge", "counter") for family in families)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_is_promql_and_asks_for_what_is_written(expression: str) -> None:
    promql_parser.parse(expression.replace("$service", ".*"))
    names = set(re.findall(r"nvkeep_\w+", expression))
    assert names
    assert names <= written()


@pytest.mark.parametrize(
    "broken", ["sum by (service (nvkeep_serving) == 0", "nvkeep_serving = 1", "increase(nvkeep_takeovers_total)"]
)
def test_the_parser_sees_what_is_wrong(broken: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        promql_parser.parse(broken)


def test_every_alert_says_what_to_type() -> None:
    for rule in RULES:
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["run"].startswith(("nvkeep ", "systemctl "))
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
