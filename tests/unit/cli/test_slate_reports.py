"""What tables say beside a slate: target, budget, moves, causes."""

import pytest
from google.protobuf import text_format
from steerrec.v1 import recommender_pb2

from cli.output import show
from cli.slate_reports import (
    before_after_table,
    budget_text,
    reported,
    skipped_text,
    target_text,
)


def reply(text: str) -> recommender_pb2.RecommendResponse:
    return text_format.Parse(text, recommender_pb2.RecommendResponse())


def printed(capsys: pytest.CaptureFixture[str], text: str) -> str:
    show(*reported(reply(text)))
    return capsys.readouterr().out


def row(table: str, beginning: str) -> list[str]:
    """The cells of the first line whose first cell is `beginning`."""
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in table.splitlines()]
    return next(cells for cells in lines if cells and cells[0] == beginning)


MOVED = """
items { item_id: "a" title: "Alien" }
items { item_id: "c" title: "Cube" }
counterfactual {
  overlap: 0.5
  items { item_id: "b" }
  items { item_id: "a" steered_rank: 1 }
  shares { attribute { name: "genre" value: "Horror" } share_before: 0.5 share_after: 1 }
}
"""


def test_an_item_that_dropped_out_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    show(before_after_table(reply(MOVED)))
    assert row(capsys.readouterr().out, "1") == ["1", "b", "out", "a Alien", "2"]


def test_an_item_that_came_is_new(capsys: pytest.CaptureFixture[str]) -> None:
    show(before_after_table(reply(MOVED)))
    assert row(capsys.readouterr().out, "2") == ["2", "a Alien", "1", "c Cube", "new"]


def test_shares_are_told_before_and_after(capsys: pytest.CaptureFixture[str]) -> None:
    assert row(printed(capsys, MOVED), "genre=Horror") == ["genre=Horror", "50%", "100%", "+50%"]


def test_a_targets_attribute_is_told_with_its_strength(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = """target_report { status: TARGET_STATUS_ATTAINED attributes {
        attribute { name: "genre" value: "Horror" }
        wanted_share: 0.4 share_before: 0.1 share_after: 0.35 strength: 2.5 } }"""
    cells = ["genre=Horror", "40.0%", "10.0%", "35.0%", "+2.50"]
    assert row(printed(capsys, text), "genre=Horror") == cells


def test_a_strength_that_the_budget_held_back_says_how_much_of_it_was_carried_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = """budget_report { edit_share: 0.69 } target_report { attributes {
        attribute { name: "genre" value: "Horror" } strength: 2.37 } }"""
    assert row(printed(capsys, text), "genre=Horror")[-1] == "+2.37, 69% of it carried out"


def test_a_target_that_was_missed_says_why() -> None:
    report = reply(
        'target_report { status: TARGET_STATUS_SATURATED at_k: 20 tolerance: 0.05 message: "full" }'
    ).target_report
    assert target_text(report).plain == "target: SATURATED on the top 20, tolerance 0.05; full"


def test_a_budget_tells_how_much_was_carried_out() -> None:
    report = reply(
        "budget_report { overlap: 0.8 score_retained: 0.954 edit_share: 0.6 at_k: 10 }"
    ).budget_report
    assert budget_text(report).plain == (
        "budget: 80% of the unsteered top 10 kept, 95.4% of its relevance; "
        "60% of the edit carried out"
    )


CAUSES = """
rule_contribution_method: CONTRIBUTION_METHOD_EXACT
rule_reports { origin { preset: "p" revision: 2 } rule_id: "up" }
rule_reports { origin { index: 1 } }
items { item_id: "a" score: 2 rule_contributions { report_index: 1 score_change: -0.5 } }
"""


def test_a_rules_contribution_is_told_by_the_rules_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert row(printed(capsys, CAUSES), "1") == ["1", "a", "2.000", "-0.500 inline rules[1]"]


def test_the_method_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert "what rules did to scores (exact)" in printed(capsys, CAUSES)


def test_a_features_contribution_is_told_by_its_label(capsys: pytest.CaptureFixture[str]) -> None:
    text = """feature_contribution_method: CONTRIBUTION_METHOD_LEAVE_ONE_OUT
        items { item_id: "a" score: 1
          feature_contributions { feature_index: 7 label: "Horror" score_change: 0.25 } }"""
    assert row(printed(capsys, text), "1")[-1] == "+0.250 7 Horror"


def test_a_plain_reply_has_nothing_to_tell(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, 'items { item_id: "a" }') == ""


def test_a_skipped_preset_is_told_with_its_reason() -> None:
    skipped = reply(
        'skipped_presets { name: "p" revision: 2 reason: SKIP_REASON_OUTSIDE_SCHEDULE '
        'message: "opens at 18:00" is_default: true }'
    ).skipped_presets
    assert skipped_text(skipped).plain == (
        "skipped: p@2 (default) OUTSIDE_SCHEDULE: opens at 18:00"
    )
