"""Share against NDCG: what raising an attribute costs, by every edit and by a plain re-rank.

Whatever needs choosing is chosen on the training histories of some users and measured on the test
items of the others. Rivals are compared at equal share, which makes their dials comparable.

    python -m training.study.frontier ml-100k --work var/work genre=Horror genre=Comedy
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from model_store.cards import AttributeValue
from training.batches import generator
from training.builtin import load_dataset
from training.config import TrainConfig
from training.pipeline import Run
from training.progress import Report, progress_bars, silent
from training.study.audience import Audience, audience, outcome
from training.study.rivals import RERANK, Rival, candidates, rivals_for

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Kept:
    """NDCG@10 kept where a rival's path first reaches a share; None: it never does."""

    wanted: str
    """Which share: `x2` twice the unsteered one, `+10` ten points more."""
    kept: float | None
    """NDCG@10 there over that without, interpolated between strengths."""
    low: float | None
    """Lower end of the 95 % interval, users drawn with replacement."""
    high: float | None
    """Upper end."""
    over_rerank: float | None
    """Kept, less what the re-rank keeps at the same share."""
    over_rerank_low: float | None
    """Lower end of its 95 % interval, the same users drawn for both."""
    over_rerank_high: float | None
    """Upper end."""


@dataclass(frozen=True)
class Frontier:
    """A rival's path."""

    rival: str
    """Its name."""
    strengths: tuple[float, ...]
    """The dial's positions."""
    shares: tuple[float, ...]
    """Mean share of the attribute in the top 20 at each."""
    kept_shares: tuple[float, ...]
    """NDCG@10 at each over that at 0."""
    at: tuple[Kept, ...]
    """What is kept at the shares of the study."""


@dataclass(frozen=True)
class FrontierStudy:
    """All rivals for one attribute on the same users; `dataclasses.asdict` of it is JSON."""

    attribute: str
    """`name=value`."""
    n_users: int
    """Users measured on."""
    share: float
    """Of the attribute in the unsteered top 20."""
    ndcg: float
    """NDCG@10 unsteered."""
    frontiers: tuple[Frontier, ...]
    """By rival."""


@dataclass(frozen=True, eq=False)
class _Path:
    """Each user's outcomes along a dial."""

    rival: Rival
    shares: Floats
    """[n_strengths, n]."""
    gains: Floats
    """[n_strengths, n]."""


def frontier_study(
    rivals: Sequence[Rival],
    people: Audience,
    carries: Bools,
    attribute: str,
    *,
    draws: int = 300,
    seed: int = 0,
) -> FrontierStudy:
    """Every rival's path over the same users.

    Args:
        rivals: one of them named `RERANK`, with which the others are compared.
        people: users on whom nothing was chosen.
        carries: [n_items + 1] which items carry the attribute.
        attribute: what it is called.
        draws: of the bootstrap.
        seed: of the draws.
    """
    paths = [_path(rival, people, carries) for rival in rivals]
    n = len(people.histories)
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=draws)
    weights = np.vstack([np.full(n, 1 / n), counts / n])
    plain = next(_all_kept(path, weights) for path in paths if path.rival.name == RERANK)
    return FrontierStudy(
        attribute=attribute,
        n_users=n,
        share=float(paths[0].shares[0].mean()),
        ndcg=float(paths[0].gains[0].mean()),
        frontiers=tuple(_frontier(path, weights, plain) for path in paths),
    )


def kept_at(shares: Floats, gains: Floats, wanted: float) -> float:
    """Gain where the path first reaches a share, over that at its start; NaN if it never does.

    Linear between neighbouring strengths; a path that turns back is followed no further.

    Args:
        shares: along the dial [n_strengths].
        gains: along the dial [n_strengths].
        wanted: share, above the first.
    """
    reached = np.flatnonzero(shares >= wanted)
    if not len(reached) or gains[0] <= 0:
        return float("nan")
    after = int(reached[0])
    if after == 0:
        return 1.0
    before = after - 1
    part = (wanted - shares[before]) / (shares[after] - shares[before])
    return float((gains[before] + part * (gains[after] - gains[before])) / gains[0])


def wanted_shares(share: float) -> dict[str, float]:
    """The shares at which rivals are compared, of the unsteered one."""
    return {"x2": 2 * share, "+10": share + 0.1}


@torch.no_grad()
def _path(rival: Rival, people: Audience, carries: Bools) -> _Path:
    found = [outcome(rival.scores(s), people, carries) for s in rival.strengths]
    return _Path(rival, np.array([o.shares for o in found]), np.array([o.gains for o in found]))


def _all_kept(path: _Path, weights: Floats) -> dict[str, Floats]:
    """Kept at each wanted share under each weighting of users [draws]."""
    kept: dict[str, list[float]] = {}
    for shares, gains in zip(weights @ path.shares.T, weights @ path.gains.T, strict=True):
        for name, wanted in wanted_shares(float(shares[0])).items():
            kept.setdefault(name, []).append(kept_at(shares, gains, wanted))
    return {name: np.array(values) for name, values in kept.items()}


def _frontier(path: _Path, weights: Floats, plain: dict[str, Floats]) -> Frontier:
    shares, gains = path.shares.mean(1), path.gains.mean(1)
    kept = _all_kept(path, weights)
    return Frontier(
        rival=path.rival.name,
        strengths=path.rival.strengths,
        shares=tuple(shares.tolist()),
        kept_shares=tuple((gains / max(gains[0], 1e-12)).tolist()),
        at=tuple(
            Kept(name, *_with_interval(kept[name]), *_with_interval(kept[name] - plain[name]))
            for name in kept
        ),
    )


def _with_interval(values: Floats) -> tuple[float | None, float | None, float | None]:
    """The first value, and the interval of the others; None where the first is not defined."""
    drawn = values[1:][~np.isnan(values[1:])]
    if np.isnan(values[0]) or not len(drawn):
        return None, None, None
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(values[0]), float(low), float(high)


def study_of(
    run: Run,
    attributes: Sequence[AttributeValue],
    carries: Bools,
    *,
    n_choosers: int = 300,
    seed: int = 0,
    report: Report = silent,
) -> tuple[FrontierStudy, ...]:
    """The studies of a run's base model and SAE.

    Args:
        run: trained.
        attributes: to raise, one after the other.
        carries: [n_items + 1, n_values], a column for each.
        n_choosers: users drawn to choose by their training histories; the others are measured on.
        seed: of the draw, the random directions and the bootstrap.
        report: told after each attribute.
    """
    split, model, block = run.split, run.base_model, run.block
    drawn = generator(seed, 8).permutation(len(split.test_users))
    choosing, measured = drawn[:n_choosers], drawn[n_choosers:]
    choosers = audience(
        model,
        block,
        [split.validation_inputs[row] for row in choosing],
        split.validation_targets[choosing],
    )
    people = audience(
        model, block, [split.test_inputs[row] for row in measured], split.test_targets[measured]
    )
    made_of = candidates(choosers, _feature_vectors(run), carries, seed=seed)
    studies = []
    for value, attribute in enumerate(attributes):
        rivals = rivals_for(made_of, people, carries, value)
        name = f"{attribute.name}={attribute.value}"
        studies.append(frontier_study(rivals, people, carries[:, value], name, seed=seed))
        report("frontier", value + 1, len(attributes), name)
    return tuple(studies)


def _feature_vectors(run: Run) -> Tensor:
    """Decoder rows of live features at their reference activation [n_live, d_model]."""
    references = torch.tensor([card.reference_activation for card in run.cards.features])
    scaled = run.sae.W_dec.detach() * references.to(run.sae.W_dec)[:, None]
    return scaled[references > 0]


def frontier_table(studies: Sequence[FrontierStudy], wanted: str) -> Table:
    """NDCG@10 kept at a share: a row for each rival, a column for each attribute.

    `<` and `>`: the interval of the difference from the re-rank lies below or above 0. The last
    column is the mean difference over the attributes for which both reach the share.
    """
    table = Table(title=f"NDCG@10 kept at share {wanted}; dash: never reached")
    table.add_column("rival")
    for study in studies:
        table.add_column(f"{study.attribute.partition('=')[2]} {study.share:.3f}")
    table.add_column("over re-rank")
    for place, frontier in enumerate(studies[0].frontiers if studies else ()):
        row = [_at(study.frontiers[place], wanted) for study in studies]
        table.add_row(frontier.rival, *map(_cell, row), _mean_over_rerank(row))
    return table


def _at(frontier: Frontier, wanted: str) -> Kept:
    return next(kept for kept in frontier.at if kept.wanted == wanted)


def _cell(kept: Kept) -> str:
    if kept.kept is None:
        return "-"
    below = kept.over_rerank_high is not None and kept.over_rerank_high < 0
    above = kept.over_rerank_low is not None and kept.over_rerank_low > 0
    return f"{kept.kept:.2f}{' <' if below else ' >' if above else ''}"


def _mean_over_rerank(row: Sequence[Kept]) -> str:
    over = [kept.over_rerank for kept in row if kept.over_rerank is not None]
    return f"{np.mean(over):+.3f} of {len(over)}" if over else "-"


def main() -> None:
    """Prints the frontiers of the default config's run, trained in the work folder if needed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("data", help="a built-in data set or a data config")
    parser.add_argument("--work", type=Path, required=True, help="work folder of training")
    parser.add_argument("--seed", type=int, default=0, help="of the study, not of training")
    parser.add_argument("attributes", nargs="+", help="name=value")
    given = parser.parse_args()
    run = Run(TrainConfig(), load_dataset(given.data), given.work)
    names = [text.partition("=") for text in given.attributes]
    values = [AttributeValue(name=name, value=value) for name, _, value in names]
    carries = np.column_stack([run.dataset.carries(v.name, v.value) for v in values])
    with progress_bars(Console(stderr=True)) as report:
        studies = study_of(run, values, carries, seed=given.seed, report=report)
    for wanted in wanted_shares(0.0):
        Console(width=150).print(frontier_table(studies, wanted))


if __name__ == "__main__":
    main()
