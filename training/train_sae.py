"""Training the SAE on the hidden states of the training histories.

Source: Gao et al., arXiv 2406.04093, sections 2 and A.2 (auxiliary loss); Bussmann et al., arXiv
2412.06410 (inference threshold); Rajamanoharan et al., arXiv 2407.14435 (L0 penalty).
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model_store.manifest import SaeKind
from training.checkpoint import load_checkpoint, save_checkpoint
from training.config import SaeConfig
from training.jumprelu import exceeds
from training.progress import Report, silent
from training.sae import InputScale, Sae, top_k_per_row

ROUND_STEPS = 100
"""Steps between reports and checkpoints."""
THRESHOLD_KEEP = 0.99
"""Weight of the past in the running mean of BatchTopK's threshold."""
SILENCE_WEIGHT = 1e-3
"""Of the loss that raises dead features of RELU and JUMPRELU back above 0."""
FALLING_SHARE = 0.2
"""Last share of the steps, over which the learning rate falls to 0."""


class SaeTrainer:
    """Trains one SAE; its whole state can be saved after any round."""

    def __init__(self, config: SaeConfig, hidden: Tensor, *, seed: int) -> None:
        """`hidden` [rows, d_model] are the hidden states of the training histories."""
        torch.manual_seed(seed)
        self.config = config
        self.seed = seed
        self.scale = InputScale.of(hidden)
        self.inputs = self.scale(hidden)
        self.sae = Sae(config.shape(), hidden.shape[1]).to(hidden.device)
        if config.kind is SaeKind.JUMPRELU:
            self.sae.threshold.data.fill_(config.jumprelu.initial_threshold)
        self.optimiser = torch.optim.Adam(self.sae.parameters(), lr=config.learning_rate)
        self.idle_steps = torch.zeros(config.d_sae, device=hidden.device)
        self.step = 0

    def round(self) -> float:
        """A round of steps; its mean FVU."""
        torch.manual_seed(self.seed * 1_000_003 + self.step)
        steps = min(ROUND_STEPS, self.config.steps - self.step)
        return sum(self._step() for _ in range(steps)) / steps

    def _step(self) -> float:
        drawn = torch.randint(len(self.inputs), (self.config.batch_size,))
        x = self.inputs[drawn.to(self.inputs.device)]
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
        projected = self.sae.pre_activations(x)
        rectified = torch.relu(projected)
        activations = self.sae.training_activations(rectified, self.config.jumprelu.bandwidth)
        error = x - self.sae.decode(activations)
        self._observe(activations.detach())
        variance = (x - x.mean(0)).square().sum()
        auxiliary = self._auxiliary(rectified, error.detach())
        regularisation = self.config.auxiliary_weight * auxiliary
        if not self.config.is_counted:
            penalty = self._penalty(rectified, activations)
            regularisation = regularisation + penalty + self._silence(projected)
        return error.square().sum() / variance, regularisation

    def _penalty(self, rectified: Tensor, activations: Tensor) -> Tensor:
        """Weighted L1 (RELU) or L0 (JUMPRELU) of activations [rows, d_sae], mean over rows."""
        warmth = min(1.0, (self.step + 1) / (self.config.penalty_warm_up * self.config.steps + 1))
        if self.config.kind is SaeKind.RELU:
            norms: Tensor = self.sae.W_dec.norm(dim=1)
            return warmth * self.config.relu.l1_weight * (activations @ norms).mean()
        settings = self.config.jumprelu
        active = exceeds(rectified, self.sae.threshold, settings.bandwidth)
        return warmth * settings.l0_weight * active.sum(1).mean()

    def _silence(self, projected: Tensor) -> Tensor:
        """How far dead features' pre-activations [rows, d_sae] lie below what counts.

        The auxiliary loss cannot reach a feature that the rectifier silences on every row. Where k
        is given, features are rarely so: no penalty pushes pre-activations down.
        Source: after the pre-activation loss of Anthropic's circuits update of January 2025.
        """
        dead = self.idle_steps >= self.config.dead_after_steps
        below = torch.relu(self.sae.threshold - projected) * dead
        return SILENCE_WEIGHT * below.sum(1).mean()

    def _auxiliary(self, rectified: Tensor, error: Tensor) -> Tensor:
        """Share of the error [rows, d_model] that the most active dead features leave over."""
        dead = self.idle_steps >= self.config.dead_after_steps
        k = min(self.config.auxiliary_k, int(dead.sum()))
        if k == 0:
            return error.new_zeros(())
        revived = top_k_per_row(rectified * dead, k) @ self.sae.W_dec
        return (error - revived).square().sum() / error.square().sum().clamp_min(1e-12)

    @torch.no_grad()
    def _observe(self, activations: Tensor) -> None:
        """Counts idle steps, and follows the smallest kept activation (BatchTopK)."""
        fired = (activations > 0).any(0)
        self.idle_steps = torch.where(fired, 0, self.idle_steps + 1)
        if self.config.kind is SaeKind.BATCHTOPK and bool(fired.any()):
            smallest = activations[activations > 0].min()
            keep = THRESHOLD_KEEP if self.step else 0.0
            self.sae.threshold.mul_(keep).add_(smallest, alpha=1 - keep)

    def state(self) -> dict[str, Any]:
        """Everything that the next round depends on."""
        return {
            "sae": self.sae.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "idle_steps": self.idle_steps,
            "step": self.step,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to a saved state."""
        self.sae.load_state_dict(state["sae"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.idle_steps = state["idle_steps"].to(self.inputs.device)
        self.step = state["step"]


def train_sae(trainer: SaeTrainer, checkpoint: Path | None = None, report: Report = silent) -> Sae:
    """The trained SAE, normalisation folded in; goes on from `checkpoint` and saves to it."""
    if checkpoint and (state := load_checkpoint(checkpoint)):
        trainer.restore(state)
    while trainer.step < trainer.config.steps:
        fvu = trainer.round()
        if checkpoint:
            save_checkpoint(checkpoint, trainer.state())
        report("sae", trainer.step, trainer.config.steps, f"fvu {fvu:.4f}")
    return trainer.sae.folded(trainer.scale)
