"""Hook points side by side: at each an SAE, and attribute groups that are made alike."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model_store.manifest import EditPositions
from training.cards import REFERENCE_PERCENTILE
from training.dosing import Target
from training.imitation import effects, imitating_weights, strongest
from training.pipeline import Run
from training.sae import Sae
from training.study.audience import Audience
from training.study.cohorts import audience_at_test, audience_at_validation
from training.study.edits import doses

N_CANDIDATES = 60
"""Features whose effect is measured: those of the largest one to first order."""
GROUP_SIZE = 30
"""Most features of a group."""

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Hook:
    """One hook point with its SAE, as some users see it."""

    block: int
    """n_blocks + 1 is after the final norm."""
    sae: Sae
    """Reads there."""
    choosers: Audience
    """Those who choose the groups, by their validation items."""
    people: Audience
    """Those measured on, by their test items."""
    references: Tensor
    """Reference activations at the choosers' newest positions [d_sae]; 0 where none fires."""


@torch.no_grad()
def hook_at(run: Run, block: int, *, n_choosers: int, n_users: int) -> Hook:
    """A hook point of the run's base model; its SAE is trained by the run's settings if needed."""
    sae = at_block(run, block).sae
    where, dealt = (run.base_model, block, run.split), run.cohorts
    choosers = audience_at_validation(*where, dealt.choosers[:n_choosers])
    people = audience_at_test(*where, dealt.promised[:n_users])
    return Hook(block, sae, choosers, people, references(sae.encode(choosers.newest)))


def at_block(run: Run, block: int) -> Run:
    """The run with another hook point; the same if it is its own."""
    if block == run.block:
        return run
    sae = run.config.sae.model_copy(update={"block": block, "positions": EditPositions.LAST})
    config = run.config.model_copy(update={"sae": sae})
    return Run(config, run.dataset, run.work_dir, run.report)


def references(activations: Tensor) -> Tensor:
    """99th percentile of each feature's non-zero activations [d_sae]; 0 where there are none."""
    columns = activations.double().cpu().numpy().T
    found = [
        np.percentile(column[column > 0], REFERENCE_PERCENTILE) if (column > 0).any() else 0.0
        for column in columns
    ]
    return torch.tensor(found).to(activations)


def group_at(hook: Hook, carries: Bools) -> Target | None:
    """The features of the hook that imitate a re-rank; None where no feature raises it.

    Args:
        hook: whose choosers choose.
        carries: [n_items + 1].
    """
    vectors = hook.references[:, None] * hook.sae.W_dec.detach()
    expected = (vectors @ mean_gradient(hook.choosers, carries)).double().cpu().numpy()
    candidates = strongest(expected, N_CANDIDATES)
    measured = effects(hook.choosers, vectors[torch.from_numpy(candidates)], carries[:, None])
    chosen = strongest(measured.mass[:, 0], GROUP_SIZE)
    weights = imitating_weights(measured.of(chosen), carries)
    if not weights.any():
        return None
    members = weights > 0
    features = candidates[chosen[members]]
    return Target(tuple(features.tolist()), tuple((weights / weights.sum())[members].tolist()))


def dimension_at(hook: Hook, carries: Bools) -> Tensor:
    """The hidden dimension, up or down, that raises an attribute most: a unit vector [d_model]."""
    vectors = torch.stack(list(doses(hook.choosers.newest)))
    best = int(np.argmax(effects(hook.choosers, vectors, carries[:, None]).mass[:, 0]))
    return torch.nn.functional.normalize(vectors[best], dim=0)


def mean_gradient(people: Audience, carries: Bools) -> Tensor:
    """Mean gradient of the attribute's log odds by the newest hidden state [d_model].

    The attribute's probability is the softmax mass of its unread items.
    """
    shift = torch.zeros_like(people.newest, requires_grad=True)
    with torch.enable_grad():
        mass = torch.softmax(people.scores(shift), dim=1) @ torch.from_numpy(carries).to(shift)
        (found,) = torch.autograd.grad(torch.logit(mass, eps=1e-6).sum(), shift)
    return found.mean(0)
