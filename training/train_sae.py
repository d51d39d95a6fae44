"""Training the SAE on the hidden states of the training histories.

Source: Gao et al., arXiv 2406.04093, sections 2 and A.2 (auxiliary loss); Bussmann et al., arXiv
2412.06410 (inference threshold); Rajamanoharan et al., arXiv 2407.14435 (L0 penalty).
"""

import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from model_store.manifest import SaeKind
from training.checkpoint import resume, save_checkpoint
from training.config import SaeConfig
from training.errors import Diverged, SaeUnusable
from training.jumprelu import exceeds, jump_relu
from training.kept import Kept, decode_kept, encode_kept, kth_largest
from training.loss import has_diverged
from training.progress import Report, silent
from training.sae import InputScale, Sae

ROWS = 4_096
"""Hidden states that are encoded at once."""
LEAST_SPREAD = 1e-5
"""Of hidden states over their largest coordinate: what lies below is rounding."""
LEAST_VARIANCE = 1e-6
"""Of a coordinate of a batch, of 1 over all: a batch may hold one hidden state again and again."""
ROUND_STEPS = 100
"""Steps between reports and checkpoints."""
THRESHOLD_KEEP = 0.99
"""Weight of the past in the running mean of BatchTopK's threshold."""
SILENCE_WEIGHT = 1e-3
"""Of the loss that raises dead features of RELU and JUMPRELU back above 0."""
FALLING_SHARE = 0.2
"""Last share of the steps, over which the learning rate falls to 0."""


class Code(NamedTuple):
    """A batch, encoded and decoded."""

    reconstruction: Tensor
    """[rows, d_model]."""
    penalty: Tensor
    """Weighted L1 (RELU) or L0 (JUMPRELU), mean over rows; 0 where k is given."""
    fired: Tensor
    """Features that were active, bool [d_sae]."""
    values: Tensor
    """Activations, those above 0 at least, in any shape."""


class SaeTrainer:
    """Trains one SAE; its whole state can be saved after any round."""

    def __init__(self, config: SaeConfig, hidden: Tensor, *, seed: int) -> None:
        """`hidden` [rows, d_model] are the hidden states of the training histories."""
        torch.manual_seed(seed)
        self.config = config
        self.seed = seed
        self.scale = InputScale.of(hidden)
        self.hidden = hidden
        self.sae = Sae(config.shape(), hidden.shape[1]).to(hidden.device)
        if config.kind is SaeKind.JUMPRELU:
            self.sae.threshold.data.fill_(config.jumprelu.initial_threshold)
        self.optimiser = torch.optim.Adam(
            self.sae.parameters(), lr=config.learning_rate, fused=True
        )
        self.idle_steps = torch.zeros(config.d_sae, device=hidden.device)
        self.step = 0
        self.seconds = 0.0

    def round(self) -> float:
        """A round of steps; its mean FVU."""
        torch.manual_seed(self.seed * 1_000_003 + self.step)
        steps, began = min(ROUND_STEPS, self.config.steps - self.step), time.perf_counter()
        fvu = sum(self.one_step() for _ in range(steps)) / steps
        self.seconds += time.perf_counter() - began
        return fvu

    def refuse_diverged(self, fvu: float) -> None:
        """Raises Diverged where the round's FVU or the weights after it say so."""
        if has_diverged(fvu, self.sae.state_dict().values()):
            rate = f"lower sae.learning_rate (now {self.config.learning_rate:g})"
            raise Diverged("SAE", f"by step {self.step}", rate)

    def one_step(self) -> float:
        """One step of the optimiser; the FVU of its batch."""
        drawn = torch.randint(len(self.hidden), (self.config.batch_size,))
        x = self.scale(self.hidden[drawn.to(self.hidden.device)])
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * self._learning_share()
        self.optimiser.zero_grad()
        fvu, regularisation = self._losses(x)
        (fvu + regularisation).backward()  # type: ignore[no-untyped-call]
        self.sae.drop_radial_gradient()
        self.optimiser.step()
        self.sae.unit_decoder()
        self.sae.threshold.data.clamp_min_(0)
        self.step += 1
        return float(fvu.detach())

    def _learning_share(self) -> float:
        left = (self.config.steps - self.step) / self.config.steps
        return min(1.0, left / FALLING_SHARE)

    def _losses(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Unexplained share of x [rows, d_model], and everything else that is minimised."""
        code = self._counted(x) if self.config.is_counted else self._penalised(x)
        error = x - code.reconstruction
        regularisation = code.penalty * self._warmth() + self._dead_features_loss(x, error.detach())
        self._observe(code)
        variance = (x - x.mean(0)).square().sum().clamp_min(LEAST_VARIANCE * x.numel())
        return error.square().sum() / variance, regularisation

    def _counted(self, x: Tensor) -> Code:
        """By the kinds of which few features are active from the first step."""
        sae = self.sae
        with torch.no_grad():
            projected = sae.pre_activations(x)
            kept = Kept.of(sae.kept_in_training(projected))
        values = encode_kept(x, sae.W_enc, sae.b_enc, projected, kept)
        reconstruction = decode_kept(values, sae.W_dec, kept) + sae.b_dec
        return Code(reconstruction, x.new_zeros(()), kept.counts > 0, values.detach())

    def _penalised(self, x: Tensor) -> Code:
        """By the kinds that start with half of the features active."""
        sae, bandwidth = self.sae, self.config.jumprelu.bandwidth
        activations = rectified = torch.relu(sae.pre_activations(x))
        if self.config.kind is SaeKind.RELU:
            norms: Tensor = sae.W_dec.norm(dim=1)
            penalty = self.config.relu.l1_weight * (activations @ norms).mean()
        else:
            activations = jump_relu(rectified, sae.threshold, bandwidth)
            active = exceeds(rectified, sae.threshold, bandwidth)
            penalty = self.config.jumprelu.l0_weight * active.sum(1).mean()
        fired = (activations.detach() > 0).any(0)
        return Code(sae.decode(activations), penalty, fired, activations.detach())

    def _warmth(self) -> float:
        """The penalty rises from 0 over the first steps."""
        return min(1.0, (self.step + 1) / (self.config.penalty_warm_up * self.config.steps + 1))

    def _dead_features_loss(self, x: Tensor, error: Tensor) -> Tensor:
        """What dead features learn by, from x and what the others leave over [rows, d_model]."""
        dead = torch.nonzero(self.idle_steps >= self.config.dead_after_steps)[:, 0]
        if len(dead) == 0:
            return error.new_zeros(())
        projected = x @ self.sae.W_enc[:, dead] + self.sae.b_enc[dead]
        loss = self.config.auxiliary_weight * self._auxiliary(projected, dead, error)
        return loss if self.config.is_counted else loss + self._silence(projected, dead)

    def _auxiliary(self, projected: Tensor, dead: Tensor, error: Tensor) -> Tensor:
        """Share of the error [rows, d_model] that the most active dead features leave over."""
        k = min(self.config.auxiliary_k, len(dead))
        rectified = torch.relu(projected)
        chosen = rectified >= kth_largest(rectified.detach(), k)
        revived = torch.where(chosen, rectified, 0.0) @ self.sae.W_dec[dead]
        return (error - revived).square().sum() / error.square().sum().clamp_min(1e-12)

    def _silence(self, projected: Tensor, dead: Tensor) -> Tensor:
        """How far dead features' pre-activations [rows, n_dead] lie below what counts.

        The auxiliary loss cannot reach a feature that the rectifier silences on every row. Where k
        is given, features are rarely so: no penalty pushes pre-activations down.
        Source: after the pre-activation loss of Anthropic's circuits update of January 2025.
        """
        threshold = self.sae.threshold.expand(self.config.d_sae)[dead]
        return SILENCE_WEIGHT * torch.relu(threshold - projected).sum(1).mean()

    @torch.no_grad()
    def _observe(self, code: Code) -> None:
        """Counts idle steps, and follows the smallest kept activation (BatchTopK)."""
        self.idle_steps = torch.where(code.fired, 0, self.idle_steps + 1)
        if self.config.kind is SaeKind.BATCHTOPK and len(code.values):
            keep = THRESHOLD_KEEP if self.step else 0.0
            self.sae.threshold.mul_(keep).add_(code.values.min(), alpha=1 - keep)

    def state(self) -> dict[str, Any]:
        """Everything that the next round depends on."""
        return {
            "sae": self.sae.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "idle_steps": self.idle_steps,
            "step": self.step,
            "seconds": self.seconds,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to a saved state."""
        self.sae.load_state_dict(state["sae"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.idle_steps = state["idle_steps"].to(self.hidden.device)
        self.step = state["step"]
        self.seconds = state["seconds"]


def train_sae(trainer: SaeTrainer, checkpoint: Path | None = None, report: Report = silent) -> Sae:
    """The trained SAE, normalisation folded in; goes on from `checkpoint` and saves to it.

    Raises:
        Diverged: the loss or the weights grew out of all bounds; the last state before is kept.
        SaeUnusable: all hidden states are alike, or no feature is ever active.
        DamagedFile: the checkpoint is not as it was saved.
    """
    refuse_alike(trainer)
    resume(checkpoint, trainer.restore)
    if trainer.step < trainer.config.steps:
        report("sae", trainer.step, trainer.config.steps)
    while trainer.step < trainer.config.steps:
        fvu = trainer.round()
        trainer.refuse_diverged(fvu)
        if checkpoint:
            save_checkpoint(checkpoint, trainer.state())
        report("sae", trainer.step, trainer.config.steps, f"fvu {fvu:.4f}")
    trained = trainer.sae.folded(trainer.scale)
    refuse_dead(trained, trainer)
    return trained


def refuse_alike(trainer: SaeTrainer) -> None:
    """Raises SaeUnusable where there is nothing to tell apart in what would be learned from."""
    hidden = trainer.hidden
    if trainer.scale.scale <= LEAST_SPREAD * float(hidden.abs().max()):
        reason = f"the {len(hidden)} hidden states that the SAE would learn from are all alike"
        remedy = "train on more data, or raise sae.max_positions, base.d_model or base.max_epochs"
        raise SaeUnusable(reason, remedy)


@torch.no_grad()
def refuse_dead(trained: Sae, trainer: SaeTrainer) -> None:
    """Raises SaeUnusable where no feature is active on any hidden state that was learned from."""
    if not any(bool(trained.encode(rows).any()) for rows in torch.split(trainer.hidden, ROWS)):
        n = trainer.config.d_sae
        reason = f"all {n} features of the SAE are dead: none is active on any training history"
        raise SaeUnusable(reason, _livelier(trainer.config))


def _livelier(config: SaeConfig) -> str:
    """Which settings make features fire."""
    match config.kind:
        case SaeKind.RELU:
            first = f"lower sae.relu.l1_weight (now {config.relu.l1_weight:g})"
        case SaeKind.JUMPRELU:
            own = config.jumprelu
            first = (
                f"lower sae.jumprelu.l0_weight (now {own.l0_weight:g}) or "
                f"sae.jumprelu.initial_threshold (now {own.initial_threshold:g})"
            )
        case _:
            first = f"raise sae.k (now {config.k})"
    return f"{first}, lower sae.learning_rate, or raise sae.steps (now {config.steps})"
