"""A question that needs several rows of the model's upper half, and perhaps several rounds.

Strengths, parts of the edit, the edit without one rule: all are variants of one row, and share its
hidden state and activations. An inquiry says which shifts to score next, takes the slates, and has
an answer at the end; `service.forward` runs the variants of many rows together.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from service.directions import ItemDirections
from steering.edit import Edit, edit
from steering.lever import Lever
from steering.merge import merged
from steering.plan import Plan
from steering.reasons import (
    acting_rules,
    edited,
    is_separable,
    own_shift,
    shift_without,
    shifts_ablating,
    strongest,
)
from steering.report import RuleReport, RuleStatus
from steering.resolved import Origin, ResolvedRule
from steering.rules import Operation, Rule
from steering.search import Found, Search, Slates, Wanted
from steering.space import FeatureSpace, Floats, Indices
from steering.target import Aim

TARGET_RULE_ID = "target"
"""Of the ADDs that a target solved for, in reports."""


@dataclass(frozen=True, eq=False, slots=True)
class Asked:
    """What one question asks beyond its plan."""

    wanted: Wanted
    """Target, budget, and whether the unsteered slate is needed."""
    places: int
    """Length of the longest slate that is looked at."""
    n_ablated: int
    """Features left out one by one where scores are not linear in the edit."""
    wants_rules: bool
    """Whether each rule's part of the scores is wanted."""
    wants_features: bool
    """Whether each feature's is."""
    directions: ItemDirections
    """Of the bundle."""


@dataclass(frozen=True, eq=False, slots=True)
class Parts:
    """Parts of the scores of a slate."""

    indices: Indices
    """[n] positions of rules in the plan, the target's last; or features."""
    changes: NDArray[np.float64]
    """[n, items] what each did to each score."""
    is_exact: bool
    """Whether they sum to the whole change."""
    activations: NDArray[np.float64] | None = None
    """[n] of features, raw, after the edit; None: these are rules."""


@dataclass(frozen=True, eq=False, slots=True)
class Inquired:
    """What came of an inquiry."""

    found: Found
    """The slate, and how it was found."""
    edit: Edit
    """Of plan and target, before the budget held it back."""
    reports: tuple[RuleReport, ...]
    """One per rule of the plan, then one per attribute of the target."""
    rules: Parts | None
    """None: nobody asked."""
    features: Parts | None
    """None: nobody asked."""


class Inquiry:
    """One row's rounds."""

    def __init__(
        self,
        asked: Asked,
        plan: Plan,
        space: FeatureSpace,
        activations: Floats,
        hidden: Floats,
        excluded: Indices,
        w_dec: Floats,
        k: int,
    ) -> None:
        """Make it.

        Args:
            asked: what for.
            plan: the request's.
            space: of the bundle.
            activations: [positions, d_sae] at the positions to edit.
            hidden: [positions, d_model] at the same positions.
            excluded: [m] items that cannot be recommended, each once.
            w_dec: [d_sae, d_model] decoder rows.
            k: items wanted.
        """
        self._asked = asked
        self._plan = plan
        self._space = space
        self._activations = activations
        self._hidden = hidden
        self._w_dec = w_dec
        self._k = k
        target = asked.wanted.target
        pulls = [aim.pull for aim in target.aims] if target else []
        lever = Lever(plan, space, pulls, activations, hidden, w_dec)
        self._search = Search(lever, asked.wanted, excluded)
        self._is_clipped: NDArray[np.bool_] = np.zeros(0, dtype=bool)
        self._ablation: _Ablation | None = None
        self.outcome: Inquired | None = None
        """The end; None: there is another round."""

    @property
    def wants_scores(self) -> bool:
        """Whether every item's score is wanted of the next round."""
        return self._ablation is not None or self._search.wants_scores

    def shifts(self) -> Floats:
        """[variants, positions, d_model] what to score next."""
        if self._ablation is not None:
            return self._ablation.shifts
        shift, self._is_clipped = self._search.shifts()
        return shift

    def read(self, slates: Slates) -> None:
        """Takes what came of it; then `outcome` is there, or there is another round."""
        if self._ablation is not None:
            self.outcome = self._ablation.ended(slates)
            return
        self._search.read(slates, self._is_clipped)
        if (found := self._search.found) is not None:
            self._finish(found)

    def _finish(self, found: Found) -> None:
        plan = self._with_target(found)
        whole = edit(plan, self._space, self._activations, self._hidden, self._w_dec)
        part = found.steered.part
        outcome = Inquired(found, whole, held_back(tuple(whole.reports), part), None, None)
        if not (self._asked.wants_rules or self._asked.wants_features):
            self.outcome = outcome
            return
        ablation = _Ablation(outcome, found.steered.items[: self._k])
        ablation.scores = found.steered.scores[: self._k]
        if self._asked.wants_rules:
            self._tell_rules(ablation, plan)
        if self._asked.wants_features:
            self._tell_features(ablation)
        if ablation.rows:
            self._ablation = ablation
        else:
            self.outcome = ablation.outcome

    def _with_target(self, found: Found) -> Plan:
        target = self._asked.wanted.target
        if target is None:
            return self._plan
        own = [
            _target_rule(aim, float(strength), i)
            for i, (aim, strength) in enumerate(zip(target.aims, found.strengths, strict=True))
        ]
        plan = self._plan
        rules = (*plan.rules, *own)
        left = merged(rule for i, rule in enumerate(rules) if i not in plan.why_not)
        return replace(plan, rules=rules, merged=left, limits=plan.limits)

    def _tell_rules(self, ablation: "_Ablation", plan: Plan) -> None:
        whole, part = ablation.outcome.edit, ablation.outcome.found.steered.part
        acting = np.array(acting_rules(whole), dtype=np.int64)
        if self._asked.directions.is_linear and is_separable(plan, whole):
            shifts = [own_shift(plan.rules[i], whole, self._w_dec) for i in acting]
            ablation.tell_rules(Parts(acting, self._moves(shifts, part, ablation), is_exact=True))
            return
        given = (self._space, self._activations, self._hidden, self._w_dec)
        for i in acting.tolist():
            ablation.rows.append(np.float32(part) * shift_without(plan, i, *given))
        ablation.n_rules = len(acting)
        ablation.tell_rules(Parts(acting, _none(acting, ablation), is_exact=False))

    def _tell_features(self, ablation: "_Ablation") -> None:
        whole, part = ablation.outcome.edit, ablation.outcome.found.steered.part
        after = edited(self._activations, whole, part)
        is_linear = self._asked.directions.is_linear
        count = None if is_linear else self._asked.n_ablated
        own = strongest(after[-1], self._space.reference, count)
        activations = after[-1, own].astype(np.float64)
        if is_linear:
            shifts = list(after[-1, own, np.newaxis] * self._w_dec[own])
            changes = self._moves(shifts, 1.0, ablation)
        else:
            shift = np.float32(part) * whole.shift
            ablation.rows.extend(shifts_ablating(own, after, shift, self._w_dec))
            changes = _none(own, ablation)
        ablation.tell_features(Parts(own, changes, is_linear, activations))

    def _moves(
        self, shifts: list[Floats], part: float, ablation: "_Ablation"
    ) -> NDArray[np.float64]:
        if not shifts:
            return np.zeros((0, len(ablation.items)))
        moves = self._asked.directions.moves(np.stack(shifts), ablation.items)
        return part * moves.astype(np.float64)


class _Ablation:
    """The last round: the edit without one rule or feature, for each of them."""

    def __init__(self, outcome: Inquired, items: Indices) -> None:
        self.outcome = outcome
        self.items = items
        self.scores: Floats = np.zeros(0, dtype=np.float32)
        self.rows: list[Floats] = []
        """Shifts to score: those of rules first."""
        self.n_rules = 0

    @property
    def shifts(self) -> Floats:
        """[rows, positions, d_model]."""
        return np.stack(self.rows)

    def tell_rules(self, parts: Parts) -> None:
        """Puts the rules' parts into the outcome."""
        self.outcome = replace(self.outcome, rules=parts)

    def tell_features(self, parts: Parts) -> None:
        """Puts the features' parts into the outcome."""
        self.outcome = replace(self.outcome, features=parts)

    def ended(self, slates: Slates) -> Inquired:
        """The outcome, with the parts that this round told."""
        if slates.all_scores is None:
            raise ValueError("a round of ablations needs every item's score")
        changes = self.scores.astype(np.float64) - slates.all_scores[:, self.items]
        outcome = self.outcome
        if outcome.rules is not None and not outcome.rules.is_exact:
            outcome = replace(
                outcome, rules=replace(outcome.rules, changes=changes[: self.n_rules])
            )
        if outcome.features is not None and not outcome.features.is_exact:
            own = replace(outcome.features, changes=changes[self.n_rules :])
            outcome = replace(outcome, features=own)
        return outcome


def _none(own: Indices, ablation: _Ablation) -> NDArray[np.float64]:
    return np.zeros((len(own), len(ablation.items)))


def _target_rule(aim: Aim, strength: float, index: int) -> ResolvedRule:
    rule = Rule(Operation.ADD, aim.attribute, strength, rule_id=TARGET_RULE_ID)
    return ResolvedRule(
        rule=rule,
        origin=Origin(index=index),
        indices=aim.pull.indices,
        values=strength * aim.pull.per_unit,
        per_unit=aim.pull.per_reference,
        condition=None,
    )


def held_back(reports: tuple[RuleReport, ...], part: float) -> tuple[RuleReport, ...]:
    """The reports of an edit of which a part was carried out, 0..1."""
    if part == 1:
        return reports
    return tuple(_held_back(report, part) for report in reports)


def _held_back(report: RuleReport, part: float) -> RuleReport:
    before, after = report.activation_before, report.activation_after
    is_cut = report.status in (RuleStatus.APPLIED, RuleStatus.CLIPPED)
    return report._replace(
        status=RuleStatus.CLIPPED if is_cut else report.status,
        activation_after=before + part * (after - before),
        message=f"the budget let {part:.1%} of the edit through" if is_cut else report.message,
    )
