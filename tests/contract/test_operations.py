"""What deploy/ tells Prometheus, Grafana and Kubernetes exists in the service."""

import json
import re
from pathlib import Path
from typing import Any

import grpc
import pytest
from ruamel.yaml import YAML

from service.metrics import STAGES, Metrics
from service.settings import Settings
from service.slate import DegradedReason
from steering.report import RuleStatus

DEPLOY = Path(__file__).parents[2] / "deploy"
PAGES = [DEPLOY / "prometheus/alerts.yaml", DEPLOY / "grafana/steerrec.json"]
SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
}
CLOSED_SETS = {
    "stage": set(STAGES),
    "code": {code.name for code in grpc.StatusCode},
    "status": {status.name for status in RuleStatus},
    "reason": {reason.name for reason in DegradedReason},
}
"""Values of labels that a query may name."""


def exported() -> set[str]:
    """Names of the series that a replica shows."""
    metrics = Metrics().registry.collect()
    return {f"{m.name}{suffix}" for m in metrics for suffix in SUFFIXES[m.type]}


def used(text: str) -> set[str]:
    """Names of our series in a text."""
    return set(re.findall(r"\bsteerrec_[a-z_]+", text))


def matched_values(text: str) -> set[tuple[str, str]]:
    """Label and value of every matcher of a closed set, alternatives apart."""
    matchers = re.findall(r"(\w+)(?:=~|!=|=)\\?\"([A-Za-z_|]+)\\?\"", text)
    return {(label, value) for label, values in matchers for value in values.split("|")}


def documents(folder: str) -> list[Any]:
    """Every YAML document of a folder of deploy/."""
    yaml = YAML(typ="safe")
    return [yaml.load(path) for path in sorted((DEPLOY / folder).glob("*.yaml"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_series_that_is_asked_for_exists(page: Path) -> None:
    names = used(page.read_text())
    assert names
    assert names - exported() == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_label_value_that_is_asked_for_exists(page: Path) -> None:
    pairs = {pair for pair in matched_values(page.read_text()) if pair[0] in CLOSED_SETS}
    assert pairs
    assert {(label, value) for label, value in pairs if value not in CLOSED_SETS[label]} == set()


def test_a_series_that_does_not_exist_is_found() -> None:
    assert used('rate(steerrec_request_total{code="OK"}[5m])') - exported()


def test_the_dashboard_shows_every_metric() -> None:
    shown = used((DEPLOY / "grafana/steerrec.json").read_text())
    metrics = {
        m.name: {f"{m.name}{s}" for s in SUFFIXES[m.type]} for m in Metrics().registry.collect()
    }
    assert [name for name, series in metrics.items() if not series & shown] == []


def test_every_panel_has_a_place_of_its_own() -> None:
    panels = json.loads((DEPLOY / "grafana/steerrec.json").read_text())["panels"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(panels) == len({panel["id"] for panel in panels})


def test_every_alert_says_what_to_do() -> None:
    page = YAML(typ="safe").load(PAGES[0])
    rules = [rule for group in page["groups"] for rule in group["rules"]]
    assert all(rule["annotations"].keys() == {"summary", "action"} for rule in rules)


def pod() -> Any:
    """The pod of the deployment."""
    (deployment,) = (d for d in documents("kubernetes") if d["kind"] == "Deployment")
    return deployment["spec"]["template"]["spec"]


def container() -> Any:
    """The container of the pod."""
    (own,) = pod()["containers"]
    return own


def test_kubernetes_sets_settings_that_exist() -> None:
    names = {entry["name"] for entry in container()["env"]}
    assert names <= {f"STEERREC_{name.upper()}" for name in Settings.model_fields}


def test_kubernetes_adds_no_settings_of_its_own() -> None:
    assert pod()["enableServiceLinks"] is False


def test_replicas_share_their_presets() -> None:
    assert "STEERREC_REDIS_URL" in {entry["name"] for entry in container()["env"]}


def test_kubernetes_asks_health_by_grpc() -> None:
    probes = {name: probe for name, probe in container().items() if name.endswith("Probe")}
    ports = {name: probe["grpc"]["port"] for name, probe in probes.items()}
    assert ports == dict.fromkeys(("startupProbe", "readinessProbe", "livenessProbe"), 50051)


def test_a_pod_gets_the_time_to_drain() -> None:
    grace_s = pod()["terminationGracePeriodSeconds"]
    wait_s = float(container()["lifecycle"]["preStop"]["exec"]["command"][1])
    assert grace_s > wait_s + Settings.model_fields["drain_timeout_s"].default
