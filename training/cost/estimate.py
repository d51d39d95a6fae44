"""What a run will cost, before it is paid: a few real steps of each part, timed and multiplied.

What is already in the work folder costs nothing. Random states are put back, so that the run that
follows trains the same models bit for bit.
"""

import resource
import sys
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import torch

from training.batches import generator
from training.cost.timings import (
    Measured,
    clarity_s,
    clusters_s,
    dose_and_random_s,
    effect_s,
    seconds,
    seconds_each,
)
from training.evaluate import (
    EVALUATION_BATCH,
    newest_hidden_states,
)
from training.memory import SCORES_BYTES
from training.pipeline import Run
from training.progress import Forecast
from training.random_shifts import NORM_SHARES
from training.study.clock import in_words

NEEDS: Final = {
    "data": (),
    "base": ("base",),
    "sae": ("base", "sae"),
    "saelens": ("base", "sae"),
    "cards": ("base", "sae", "cards"),
    "export": ("base", "sae", "cards"),
    "evaluate": ("base", "sae", "metrics"),
    "publish": ("base", "sae", "cards", "metrics"),
}
"""What each step of the command line has to make, itself included."""


class Cost(NamedTuple):
    """One step, as progress reports call it."""

    step: str
    """Its name."""
    seconds: float
    """That it will take, about, on this machine as busy as it is now."""
    peak_bytes: int
    """Memory of the process while it runs, about."""
    decided_by: str
    """The sizes that the time follows."""
    cheaper: str
    """The settings that make it shorter."""


def forecast(costs: Sequence[Cost]) -> Forecast:
    """Seconds of each step by name."""
    return {cost.step: cost.seconds for cost in costs}


def estimate(run: Run, step: str) -> tuple[Cost, ...]:
    """What a step of the command line costs with those that it needs; nothing for what is made.

    Takes seconds: every part is timed on a few batches of the run's own data and settings.
    """
    wanted = [part for part in NEEDS[step] if part not in run.made]
    if not wanted or not len(run.split.validation_users):
        return ()
    devices = [run.device] if run.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.enable_grad():
        return tuple(_costs(Measured(run), wanted))


def _costs(measured: Measured, wanted: Sequence[str]) -> Iterator[Cost]:
    if "base" in wanted:
        yield _base_model(measured)
    if {"sae", "cards"} & set(wanted):
        yield _hidden(measured)
    if "sae" in wanted:
        yield _sae(measured)
    if "cards" in wanted:
        yield from _cards(measured)
    if "metrics" in wanted:
        yield _evaluation(measured)


def _base_model(measured: Measured) -> Cost:
    config, trainer = measured.config.base, measured.trainer
    batches = trainer.batches(generator(measured.config.seed, 1))
    step_s = seconds_each(trainer.step, batches)
    n_users, epochs = len(measured.split.validation_users), config.max_epochs
    validation_s = measured.ranking_s * n_users
    left = max(0, epochs - measured.run.epochs_done)
    against = trainer.negatives or measured.n_items
    return Cost(
        "base model",
        left * (len(batches) * step_s + validation_s),
        _peak_so_far(),
        f"at most {left} epochs: {len(batches):,} steps of {step_s:.2g} s against {against:,} "
        f"items, validated on {n_users:,} users in {in_words(validation_s)}",
        "base.max_epochs, base.patience, base.negatives, base.max_seq",
    )


def _hidden(measured: Measured) -> Cost:
    sae, train = measured.config.sae, measured.split.train
    newest = min(sae.newest_positions, measured.n_positions)
    timed = min(newest, EVALUATION_BATCH)
    seed, device, block = measured.config.seed, measured.run.device, measured.run.block
    newest_s = seconds(
        lambda: newest_hidden_states(
            measured.model, train, block, at_most=timed, seed=seed, device=device
        )
    )
    return Cost(
        "hidden states",
        measured.n_held * measured.hidden_s + newest_s * newest / max(timed, 1),
        _peak_so_far() + _hidden_bytes(measured, 2),
        f"{measured.n_held:,} positions of histories, {newest:,} newest ones",
        "base.max_seq, sae.newest_positions",
    )


def _sae(measured: Measured) -> Cost:
    config, trainer = measured.config.sae, measured.sae_trainer
    step_s = seconds_each(lambda _: trainer.one_step(), range(config.steps))
    return Cost(
        "sae",
        config.steps * step_s,
        _peak_so_far() + _hidden_bytes(measured, 4),
        f"{config.steps:,} steps of {config.batch_size:,} positions, {config.d_sae:,} features",
        "sae.steps, sae.d_sae, sae.max_positions (memory)",
    )


def _cards(measured: Measured) -> Iterator[Cost]:
    cards, d_sae = measured.config.cards, measured.config.sae.d_sae
    peak, n_values = _peak_so_far() + _cards_bytes(measured), len(measured.table.values)
    if cards.label_clusters:
        yield Cost(
            "clusters of items",
            clusters_s(measured),
            peak,
            f"{measured.n_items:,} items x {len(measured.split.train):,} users",
            "cards.label_clusters: 0 leaves them out",
        )
    yield Cost(
        "feature cards",
        d_sae * clarity_s(measured),
        peak,
        f"{d_sae:,} features x {n_values:,} attribute values",
        "cards.max_positions, cards.min_items, sae.d_sae",
    )
    choosers = measured.run.cohorts.choosers[: cards.effect_users]
    yield Cost(
        "effects",
        d_sae * len(choosers) * (effect_s(measured, choosers) if len(choosers) else 0.0),
        peak,
        f"{d_sae:,} features x {len(choosers):,} users x {measured.n_items:,} items",
        "cards.effect_users, sae.d_sae",
    )
    yield from _effect_cards(measured, peak)


def _effect_cards(measured: Measured, peak: int) -> Iterator[Cost]:
    sae, tried = measured.config.sae, measured.config.cards.effects
    n_values, carded = len(measured.table.values), len(measured.run.cohorts.carded)
    if not carded or not n_values:
        return
    dose_s, random_s = dose_and_random_s(measured)
    random_s *= tried.random_directions * len(NORM_SHARES)

    def cost(step: str, count: int, n_users: int, doses: float, cheaper: str) -> Cost:
        seconds = n_users * (count * doses * dose_s + random_s)
        sizes = f"{count:,} x {doses:.0f} doses x {n_users:,} users x {measured.n_items:,} items"
        return Cost(step, seconds, peak, sizes, cheaper)

    if some := min(tried.users, carded):
        firing = (sae.k if sae.is_counted else sae.d_sae) / sae.d_sae
        doses = len(tried.feature_add) + firing * len(tried.feature_scale)
        cheaper = "cards.effects.users, sae.d_sae"
        yield cost("effect cards of features", sae.d_sae, some, doses, cheaper)
    if many := min(tried.group_users_for(measured.n_items), carded):
        doses = len(tried.group_add) + len(tried.group_scale)
        cheaper = "cards.effects.group_users, cards.min_items"
        yield cost("effect cards of groups", n_values, many, doses, cheaper)


def _evaluation(measured: Measured) -> Cost:
    n_users = len(measured.split.test_users)
    return Cost(
        "evaluation",
        4 * n_users * measured.ranking_s + measured.n_held * measured.hidden_s,
        _peak_so_far() + _hidden_bytes(measured, 3),
        f"{n_users:,} users x {measured.n_items:,} items, four times",
        "fewer users or items in the data",
    )


def _peak_so_far() -> int:
    """Most memory that the process has held, bytes: real steps were made by now."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _hidden_bytes(measured: Measured, copies: int) -> int:
    return copies * measured.n_held * measured.config.base.d_model * 4


def _cards_bytes(measured: Measured) -> int:
    """Hidden states, effects on every score, matrices of scores, and tables of attributes."""
    config, n_items = measured.config, measured.n_items
    n_values = len(measured.table.values)
    n_carded = len(measured.run.cohorts.carded)
    users = min(config.cards.effects.group_users_for(n_items), n_carded)
    scores = min(SCORES_BYTES, 4 * users * (n_items + 1))
    of_effects = config.sae.d_sae * n_items * (8 + 4)
    of_table = n_items * n_values * (1 + 3 * 4)
    directions = config.cards.effects.random_directions
    random = directions * len(NORM_SHARES) * users * n_values * 2
    return _hidden_bytes(measured, 2) + of_effects + 4 * scores + of_table + random
