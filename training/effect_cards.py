"""Effect cards: what SCALE and ADD do at a grid of strengths, before anybody applies them.

Measured on the carded cohort (docs/adr/0007-study.md) by test items, at the bundle's own hook and
positions, beside random directions whose shift has the same norm for every user. By test items,
since the newest item of such a history was never trained on, as in a request: doses do more there.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from model_store.cards import AttributeGroup, DoseResponse, FeatureCard, FeatureCards
from training.dosing import Subjects, Target
from training.imitation import Effects
from training.progress import Report, silent
from training.trial import Trial, TrialSettings, doses, trial


def with_effects(
    cards: FeatureCards,
    measured: Effects,
    carded: Subjects,
    settings: TrialSettings,
    report: Report = silent,
) -> FeatureCards:
    """The cards with what doses do to the carded users; nothing is added where there are none.

    Args:
        cards: of features and groups.
        measured: effect of every feature, on users who choose.
        carded: users who chose nothing, in random order.
        settings: attributes, strengths, and how much is measured.
        report: told after each card.
    """
    config = settings.config
    features, groups = cards.features, cards.groups
    if some := min(config.users, carded.n_users):
        report("effect cards of features", 0, len(features))
        tried = trial(carded.first(some), settings)
        features = tuple(feature_effects(tried, features, measured, report))
    n_items = carded.people.model.shape.n_items
    if many := min(config.group_users_for(n_items), carded.n_users):
        report("effect cards of groups", 0, len(groups))
        groups = tuple(group_effects(trial(carded.first(many), settings), groups, report))
    return FeatureCards(features=features, groups=groups)


def feature_effects(
    tried: Trial, cards: Sequence[FeatureCard], measured: Effects, report: Report = silent
) -> Iterator[FeatureCard]:
    """The cards with their effects; dead features have none.

    A feature is measured on the attribute that its label names, or else on the one that it raises
    most when it is added.

    Args:
        tried: the users.
        cards: by feature index.
        measured: of every feature, on users who choose.
        report: told after each card.
    """
    strengths = doses(tried.settings.config.feature_scale, tried.settings.config.feature_add)
    columns = {value: column for column, value in enumerate(tried.settings.table.values)}
    for card in cards:
        effects: tuple[DoseResponse, ...] = ()
        if not card.is_dead:
            named = card.label_evidence.attribute if card.label_evidence else None
            raised = int(np.argmax(measured.mass[card.feature_index]))
            value = columns.get(named, raised) if named else raised
            effects = tried.responses(Target.one(card.feature_index), value, strengths)
        yield card.model_copy(update={"effects": effects})
        report("effect cards of features", card.feature_index + 1, len(cards))


def group_effects(
    tried: Trial, groups: Sequence[AttributeGroup], report: Report = silent
) -> Iterator[AttributeGroup]:
    """The groups with their effects on their own attribute."""
    strengths = doses(tried.settings.config.group_scale, tried.settings.config.group_add)
    for place, group in enumerate(groups):
        value = tried.settings.table.values.index(group.attribute)
        effects = tried.responses(Target.group(group), value, strengths)
        yield group.model_copy(update={"effects": effects})
        report("effect cards of groups", place + 1, len(groups))
