"""A recorded decision as lines of text."""

import pytest
from google.protobuf import text_format
from steerrec.v1 import decision_pb2

from cli.recorded_decisions import show_decision


def lines(capsys: pytest.CaptureFixture[str], request: str) -> list[str]:
    decision = text_format.Parse(f"request {{ {request} }}", decision_pb2.Decision())
    show_decision(decision, as_json=False)
    return capsys.readouterr().out.splitlines()


def test_the_items_of_the_history_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    told = lines(capsys, 'history: "50" history: "172"')
    assert "history, oldest first: 50, 172" in told


def test_a_long_history_is_cut_with_a_count(capsys: pytest.CaptureFixture[str]) -> None:
    told = lines(capsys, " ".join(f'history: "{item}"' for item in range(12)))
    assert "history, oldest first: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more" in told


def test_the_context_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    told = lines(capsys, 'context { fields { key: "surface" value { string_value: "home" } } }')
    assert 'context: {"surface": "home"}' in told


def test_the_presets_asked_for_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    told = lines(capsys, 'presets { name: "a" } presets { name: "b" revision: 3 }')
    assert "presets asked for: a, b@3" in told


def test_the_target_is_told_with_its_shares(capsys: pytest.CaptureFixture[str]) -> None:
    told = lines(
        capsys,
        'target { mix { attribute { name: "genre" value: "War" } share: 0.1 } tolerance: 0.05 }',
    )
    assert "target: genre=War 10.0% on the top 20, tolerance 0.05" in told


def test_the_budget_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    told = lines(capsys, "budget { min_overlap: 0.8 min_score_retained: 0.95 at_k: 20 }")
    assert "budget: min_overlap 0.8 and min_score_retained 0.95 on the top 20" in told
