"""What comparisons say in words: ahead, behind or level, and whether the claim holds."""

from dataclasses import replace

import pytest

from training.study.interpretation_results import Comparison
from training.study.report.sections.compared import claim, sentence, sides

AHEAD = Comparison(
    measure="mean best AUC",
    target="last item",
    one="SAE",
    other="hidden dimensions",
    one_value=0.8,
    other_value=0.7,
    other_lowest=0.7,
    other_highest=0.7,
    n_draws=1,
    difference=0.1,
    low=0.05,
    high=0.15,
    q=0.001,
)
BEHIND = replace(AHEAD, measure="purity", difference=-0.2)
LEVEL = replace(AHEAD, measure="R2 from label", q=0.4)


def test_a_difference_that_is_not_clear_is_on_no_side() -> None:
    assert sides([AHEAD, BEHIND, LEVEL]) == ([AHEAD], [LEVEL], [BEHIND])


def test_a_sentence_names_both_sides_and_counts_the_rest() -> None:
    told = sentence([AHEAD, BEHIND, LEVEL], "They are").replace("\u2212", "-")
    assert told == (
        "They are clearly ahead in telling attributes apart (AUC) +0.100; clearly behind in having"
        " one attribute in common where strongest (purity) -0.200; level, as far as can be told,"
        " in the other 1."
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([AHEAD, LEVEL], "holds"),
        ([AHEAD, BEHIND], "holds in part"),
        ([BEHIND], "does not hold"),
        ([LEVEL], "does not hold"),
    ],
)
def test_a_claim_holds_where_something_is_ahead_and_nothing_behind(
    found: list[Comparison], expected: str
) -> None:
    assert claim(found) == expected
