"""What the base models of a data set are worth: several seeds, beside published figures.

Leave-one-out over the full catalogue, the history left out. Validation items stopped the training;
the test items are read here, once for each seed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from pydantic import Field

from training.config import Seed, Settings
from training.evaluate import K, popularity_ranks, ranks_on_test, ranks_on_validation
from training.metrics import Ranks, hit_rate, ndcg
from training.pipeline import Run
from training.progress import Report, silent


class BaseSettings(Settings):
    """Which models are compared."""

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0, 1, 2)
    """One model each."""


@dataclass(frozen=True)
class Quality:
    """Metrics of one ranking."""

    ndcg_at_10: float
    """Mean over users."""
    hit_rate_at_10: float
    """Share of users."""


@dataclass(frozen=True)
class Trained:
    """One model."""

    seed: int
    """Of its weights, windows, batches and dropout."""
    validation: Quality
    """By which its best epoch was chosen."""
    test: Quality
    """Looked at once."""
    epochs: int
    """Passes over the training interactions."""
    best_epoch: int
    """The one whose weights were kept."""
    epoch_wall_s: float
    """Mean seconds of an epoch and its validation, on whatever else the machine had to do."""
    epoch_cpu_s: float
    """Processor seconds of the same."""


@dataclass(frozen=True)
class Spread:
    """One metric over seeds."""

    mean: float
    """Over seeds."""
    deviation: float | None
    """Sample standard deviation; None of one seed."""


@dataclass(frozen=True)
class Published:
    """Somebody else's figures by the same protocol."""

    model: str
    """What it is."""
    quality: Quality
    """On the test items."""
    source: str
    """Where it was read."""


@dataclass(frozen=True)
class BaseStudy:
    """The base models of one data set."""

    n_users: int
    """Users with a test item."""
    models: tuple[Trained, ...]
    """In the order of the seeds."""
    validation_ndcg: Spread
    """NDCG@10."""
    test_ndcg: Spread
    """NDCG@10."""
    test_hit_rate: Spread
    """HR@10."""
    popularity: Quality
    """Of training counts alone, on the test items."""
    published: tuple[Published, ...]
    """Empty where none is known by this protocol."""
    is_at_level: bool | None
    """Whether both test means reach the best published ones; None where none is known."""


_RECSYS23 = "Klenitskiy and Vasilev, arXiv 2309.07602; antklen/sasrec-bert4rec-recsys23"
_TIGER = "Rajput et al., arXiv 2305.05065, as quoted in XiaoLongtaoo/TIGER, issue 6"
_DUOREC = "log of RecBole's SASRec on DuoRec's code, RuihongQiu/DuoRec, issue 3"

PUBLISHED: Final[Mapping[str, tuple[Published, ...]]] = {
    "ml-1m": (
        Published("SASRec, one negative", Quality(0.1341, 0.2500), _RECSYS23),
        Published("SASRec, cross-entropy", Quality(0.1821, 0.3152), _RECSYS23),
        Published("SASRec, 3,000 negatives", Quality(0.1857, 0.3159), _RECSYS23),
    ),
    "amazon-beauty": (
        Published("TIGER", Quality(0.0384, 0.0648), _TIGER),
        Published("SASRec, cross-entropy", Quality(0.0415, 0.0830), _DUOREC),
    ),
}
"""By data set. Of MovieTweetings' 5-core none is known by this protocol."""


def study_of(run: Run, settings: BaseSettings, report: Report = silent) -> BaseStudy:
    """The models of all seeds, trained where they are not there yet; then the test items."""
    runs = [seeded(run, seed, report) for seed in settings.seeds]
    for number, each in enumerate(runs, start=1):
        _ = each.base_model
        report("base models", number, len(runs))
    models = tuple(map(_trained, runs))
    return _study(run, models)


def seeded(run: Run, seed: int, report: Report = silent) -> Run:
    """The same run with another seed."""
    if seed == run.config.seed:
        return run
    config = run.config.model_copy(update={"seed": seed})
    return Run(config, run.dataset, run.work_dir, report)


def _trained(run: Run) -> Trained:
    """One model, measured."""
    course, model = run.base_course, run.base_model
    validation = ranks_on_validation(model.slate_scores, model, run.split, run.device)
    test = ranks_on_test(model.slate_scores, model, run.split, run.device)
    return Trained(
        seed=run.config.seed,
        validation=_quality(validation),
        test=_quality(test),
        epochs=course.epoch,
        best_epoch=course.best_epoch,
        epoch_wall_s=course.wall_s / max(course.epoch, 1),
        epoch_cpu_s=course.cpu_s / max(course.epoch, 1),
    )


def _study(run: Run, models: Sequence[Trained]) -> BaseStudy:
    """All models together, beside what is published of the data set."""
    published = PUBLISHED.get(run.dataset.name, ())
    test_ndcg = _spread(models, lambda model: model.test.ndcg_at_10)
    test_hit_rate = _spread(models, lambda model: model.test.hit_rate_at_10)
    return BaseStudy(
        n_users=len(run.split.test_users),
        models=tuple(models),
        validation_ndcg=_spread(models, lambda model: model.validation.ndcg_at_10),
        test_ndcg=test_ndcg,
        test_hit_rate=test_hit_rate,
        popularity=_quality(popularity_ranks(run.split, run.dataset.n_items)),
        published=published,
        is_at_level=_is_at_level(Quality(test_ndcg.mean, test_hit_rate.mean), published),
    )


def _is_at_level(ours: Quality, published: Sequence[Published]) -> bool | None:
    if not published:
        return None
    return ours.ndcg_at_10 >= max(
        one.quality.ndcg_at_10 for one in published
    ) and ours.hit_rate_at_10 >= max(one.quality.hit_rate_at_10 for one in published)


def _quality(ranks: Ranks) -> Quality:
    return Quality(ndcg(ranks, K), hit_rate(ranks, K))


def _spread(models: Sequence[Trained], metric: Callable[[Trained], float]) -> Spread:
    values = [metric(model) for model in models]
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Spread(float(np.mean(values)), deviation)
