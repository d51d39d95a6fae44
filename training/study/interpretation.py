"""Are SAE features more interpretable than other directions? One half of users picks, one scores.

The best of many directions looks good by luck, and the more directions the better. So for each
attribute value the direction is picked on one half of the users and scored on the other, every
set is read on the same rows, and controls are as many as the SAE's live features, or the SAE as
many as they.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from torch import Tensor

from training.co_occurrence import readers
from training.pipeline import Run
from training.progress import Report, silent
from training.study.comparison import Contender, comparisons, verdict
from training.study.directions import (
    DirectionSet,
    feature_projections,
    hidden_dimensions,
    independent_components,
    live,
    principal_components,
    random_directions,
    sae_features,
    some_of,
    sparse_random_directions,
    untrained_features,
    whitened_random_directions,
)
from training.study.feature_meanings import feature_examples, feature_meanings
from training.study.interpretation_results import InterpretationStudy, SetMeasures
from training.study.judging import figures, scores
from training.study.moments import newest_hidden, sampled_moments
from training.study.monosemanticity import random_similarity
from training.study.question import InterpretationSettings, Question, question
from training.study.set_measures import set_measures
from training.study.values import study_values

__all__ = ["InterpretationSettings", "InterpretationStudy", "study_of"]


class Candidate(NamedTuple):
    """A set of directions that is made when it is its turn: one alone may be hundreds of MB."""

    make: Callable[[int], DirectionSet]
    """The set, by number of the draw."""
    n_draws: int = 1
    """More than 1 where something in it is random."""
    is_asked_about: bool = False
    """Whether it is compared with the controls, and no control itself."""
    is_small: bool = False
    """Whether it has twice as many directions as hidden dimensions: both signs of each."""


class Judged(NamedTuple):
    """A candidate, judged."""

    candidate: Candidate
    """What was judged."""
    contender: Contender
    """Its figures, by draw."""
    measures: SetMeasures
    """What the study keeps: of the first draw."""


def study_of(
    run: Run, settings: InterpretationSettings | None = None, report: Report = silent
) -> InterpretationStudy:
    """The study of a run's base model and SAE, on its training histories."""
    settings = settings or InterpretationSettings()
    train = run.split.train
    moments = sampled_moments(
        train, per_user=settings.per_user, seed=settings.seed, at_most=settings.max_moments
    )
    values = study_values(
        run.dataset,
        train,
        min_items=settings.min_items,
        max_values=settings.max_values,
        n_clusters=settings.n_clusters,
        seed=settings.seed,
    )
    asked = question(moments, values.table, readers(train, run.dataset.n_items), settings)
    hidden = newest_hidden(run.base_model, moments.begun, run.block)
    features = sae_features("SAE", run.sae, hidden)
    study = interpretation_study(candidates(run, features, hidden, asked), asked, report)
    meanings = feature_meanings(features, asked)
    return replace(
        study,
        n_values_left_out=values.n_left_out,
        features=meanings,
        examples=feature_examples(meanings, features, asked, run.dataset),
    )


def candidates(
    run: Run, features: DirectionSet, hidden: Tensor, asked: Question
) -> tuple[Candidate, ...]:
    """The SAE's features, and what they are compared with at equal numbers of directions."""
    settings, d_model = asked.settings, hidden.shape[1]
    seed, draws, n = settings.seed, settings.random_draws, len(live(features))
    k = min(n, max(1, round(float((features.activations > 0).sum(1).mean()))))

    def untrained(_: int) -> DirectionSet:
        shape, begun = run.base_model.shape, asked.moments.begun
        steps = settings.untrained_steps
        return untrained_features(shape, run.config.sae, run.block, begun, seed=seed, steps=steps)

    def plain(i: int) -> DirectionSet:
        return random_directions(hidden, n, seed=seed, both_signs=False, draw=i)

    def both(i: int) -> DirectionSet:
        return random_directions(hidden, d_model, seed=seed, both_signs=True, draw=i)

    return (
        Candidate(lambda _: features, is_asked_about=True),
        Candidate(
            lambda i: some_of(features, 2 * d_model, seed=seed, draw=i),
            draws,
            is_asked_about=True,
            is_small=True,
        ),
        Candidate(lambda _: feature_projections(run.sae, hidden)),
        Candidate(lambda _: hidden_dimensions(hidden), is_small=True),
        Candidate(plain, draws),
        Candidate(both, draws, is_small=True),
        Candidate(lambda i: sparse_random_directions(hidden, n, k, seed=seed, draw=i), draws),
        Candidate(lambda i: whitened_random_directions(hidden, n, seed=seed, draw=i), draws),
        Candidate(lambda _: principal_components(hidden), is_small=True),
        Candidate(lambda _: independent_components(hidden, seed=seed), is_small=True),
        Candidate(untrained),
    )


def interpretation_study(
    against: Sequence[Candidate], asked: Question, report: Report = silent
) -> InterpretationStudy:
    """Every candidate judged by the same question, and those asked about compared with controls.

    Features one by one are left empty.
    """
    n_draws, done, judged = sum(c.n_draws for c in against), 0, []
    for candidate in against:
        judged.append(_judged(candidate, asked))
        done += candidate.n_draws
        report("interpretation", done, n_draws, judged[-1].contender.name)
    compared = comparisons(
        [
            (one.contender, other.contender)
            for one in judged
            for other in judged
            if _are_compared(one.candidate, other.candidate)
        ]
    )
    by_attributes, by_readers = map(random_similarity, asked.similarities)
    return InterpretationStudy(
        n_rows=len(asked.moments.users),
        n_users=len(set(asked.moments.users.tolist())),
        n_values=len(asked.values),
        n_values_left_out=0,
        strongest_share=asked.settings.strongest_share,
        random_similarity_by_attributes=by_attributes,
        random_similarity_by_co_occurrence=by_readers,
        sets=tuple(each.measures for each in judged),
        comparisons=compared,
        verdict=verdict(compared),
        features=(),
        examples=(),
    )


def _judged(candidate: Candidate, asked: Question) -> Judged:
    measured, kept = [], None
    for draw in range(candidate.n_draws):
        directions = candidate.make(draw)
        found = scores(directions.activations, asked)
        measured.append(figures(directions, found, asked))
        kept = kept or set_measures(directions, found, measured[0], asked)
    if kept is None:
        raise ValueError(f"n_draws {candidate.n_draws} draws nothing")
    return Judged(candidate, Contender(kept.name, measured), kept)


def _are_compared(one: Candidate, other: Candidate) -> bool:
    """A small set in question meets small controls alone: as many directions as it has."""
    is_control = not other.is_asked_about
    return one.is_asked_about and is_control and (other.is_small or not one.is_small)
