"""The rule that picks an autoencoder, and nothing but the rule."""

from dataclasses import replace

from training.study.selection import SaeRow, SelectionRule, reaches_goals, selected_row

RULE = SelectionRule(
    kept_goal=0.985, dead_goal=0.01, sparsity_tolerance=0.1, interpretability_tolerance=0.005
)
ROW = SaeRow(
    kind="topk",
    block=2,
    hook="block 2",
    d_sae=512,
    width_factor=8,
    k=32,
    penalty=None,
    seed=0,
    fvu=0.01,
    cosine=0.99,
    l0=32.0,
    dead_share=0.0,
    ndcg_kept_share=0.99,
    ndcg_kept_low=0.98,
    ndcg_kept_high=1.0,
    interpretability=0.8,
    train_s=1.0,
)


def test_what_keeps_too_little_is_passed_over_however_sparse() -> None:
    sparse = replace(ROW, l0=8.0, ndcg_kept_share=0.984)
    assert selected_row([sparse, ROW], RULE) is ROW


def test_what_has_dead_features_is_passed_over_however_sparse() -> None:
    sparse = replace(ROW, l0=8.0, dead_share=0.01)
    assert selected_row([sparse, ROW], RULE) is ROW


def test_the_sparsest_of_those_that_keep_enough() -> None:
    sparse = replace(ROW, l0=16.0, ndcg_kept_share=0.985, interpretability=0.6)
    assert selected_row([ROW, sparse], RULE) is sparse


def test_of_the_equally_sparse_the_most_interpretable() -> None:
    clear = replace(ROW, l0=35.0, interpretability=0.82)
    assert selected_row([ROW, clear], RULE) is clear


def test_of_the_equally_interpretable_the_smallest() -> None:
    wide = replace(ROW, d_sae=2_048, interpretability=0.804)
    assert selected_row([wide, ROW], RULE) is ROW


def test_of_equal_sizes_the_one_that_keeps_most() -> None:
    keeps_more = replace(ROW, ndcg_kept_share=1.0)
    assert selected_row([ROW, keeps_more], RULE) is keeps_more


def test_where_none_keeps_enough_the_one_that_keeps_most_and_lives() -> None:
    dead = replace(ROW, ndcg_kept_share=0.98, dead_share=0.5)
    less = replace(ROW, ndcg_kept_share=0.96, l0=8.0)
    most = replace(ROW, ndcg_kept_share=0.97)
    assert selected_row([dead, less, most], RULE) is most
    assert not reaches_goals(most, RULE)
