"""The figures that sections show are those of the results, and verdicts follow from them."""

from dataclasses import replace

from model_store.cards import Band
from training.study.report.blocks import Block, Cell, Folded, Section, Table
from training.study.report.results import StudyResults
from training.study.report.sections import control, interpretation, promise, suppression, sweep

Sections = tuple[Section, ...]
MINUS = "\u2212"


def _tables(blocks: tuple[Block, ...] | list[Block]) -> list[Table]:
    found = []
    for block in blocks:
        if isinstance(block, Table):
            found.append(block)
        elif isinstance(block, Folded):
            found += _tables(list(block.blocks))
    return found


def _row(sections: Sections, section: str, name: str) -> list[str]:
    """Cells of the first row so named."""
    found = next(one for one in sections if one.name == section)
    rows = [row for table in _tables(list(found.blocks)) for row in table.rows]
    texts = [[c.text if isinstance(c, Cell) else c for c in row] for row in rows]
    return next(row for row in texts if row[0] == name)


def test_rows_are_as_long_as_their_headings(sections: Sections) -> None:
    for section in sections:
        for table in _tables(list(section.blocks)):
            assert {len(row) for row in table.rows} == {len(table.headings)}


def test_the_base_model_is_shown_beside_published_ones(sections: Sections) -> None:
    assert _row(sections, "base", "ours, seed 1")[2] == "0.1910"
    assert _row(sections, "base", "SASRec, 3,000 negatives")[2:4] == ["0.1857", "0.3159"]


def test_the_sweeps_row_holds_what_was_measured(results: StudyResults, sections: Sections) -> None:
    assert results.sweep is not None
    row = results.sweep.selected.row
    cells = _row(sections, "sweep", row.kind)
    assert cells[5] == f"{row.l0:.1f}"
    assert cells[9].startswith(f"{100 * row.ndcg_kept_share:.1f} %")


def test_a_rival_is_shown_with_what_it_keeps_beyond_the_rerank(sections: Sections) -> None:
    expected = "-6.0 (-7.0 to -5.0) of 4".replace("-", MINUS)
    assert expected in _row(sections, "control", "best feature")


def test_labels_are_shown_beside_chance(sections: Sections) -> None:
    assert _row(sections, "labels", "all labels")[2:4] == ["93 %", "21 %"]


def test_saes_that_keep_too_little_miss_the_goal(results: StudyResults) -> None:
    assert results.sweep is not None
    rows = tuple(replace(row, ndcg_kept_share=0.97) for row in results.sweep.rows)
    told = replace(results, sweep=replace(results.sweep, rows=rows))
    assert [verdict.is_reached for verdict in sweep.verdicts(told)] == [False, True]


def test_an_sae_that_is_not_picked_may_reach_the_goal_and_is_named(results: StudyResults) -> None:
    assert results.sweep is not None
    chosen = results.sweep.selected
    dense = replace(chosen, row=replace(chosen.row, l0=48.0))
    told = replace(results, sweep=replace(results.sweep, selected=dense))
    verdict, _ = sweep.verdicts(told)
    assert verdict.is_reached
    assert "the one picked: 98.8 % with 48.0 active" in verdict.measured
    assert "with at most 32: 98.8 % (topk after block 2)" in verdict.measured


def test_an_edit_below_the_rerank_misses_the_goal(results: StudyResults) -> None:
    assert results.frontier is not None
    below = Band(-0.03, -0.04, -0.02)
    summaries = tuple(
        replace(one, at=tuple(replace(mean, over_rerank=below) for mean in one.at))
        if one.kind == "sae"
        else one
        for one in results.frontier.summaries
    )
    told = replace(results, frontier=replace(results.frontier, summaries=summaries))
    assert [verdict.is_reached for verdict in control.verdicts(told)] == [False, True]


def test_features_no_better_than_random_ones_miss_the_goal(results: StudyResults) -> None:
    assert [v.is_reached for v in interpretation.verdicts(results)] == [True, False]


def test_broken_promises_are_shown_first(sections: Sections) -> None:
    assert _row(sections, "promise", "1950s")[-1] == "broken"


def test_too_few_kept_promises_miss_the_goal(results: StudyResults) -> None:
    assert [verdict.is_reached for verdict in promise.verdicts(results)] == [False]


def test_an_attribute_that_is_not_suppressed_misses_the_goal(results: StudyResults) -> None:
    assert results.suppression is not None
    stubborn = replace(results.suppression.attributes[0], paths=())
    told = replace(results.suppression, attributes=(stubborn,))
    (verdict,) = suppression.verdicts(replace(results, suppression=told))
    assert verdict.is_reached is False
