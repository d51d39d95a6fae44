"""What the interpretation study finds; `dataclasses.asdict` of it is JSON."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BestDirection:
    """The direction of a set that tells an attribute value apart best, as the unseen half sees it.

    Against the history's share, the label is "share above its median" and r is with that label.
    """

    attribute: str
    """`name=value`."""
    target: str
    """What carries the attribute: the last item, the next item, or the history's larger half."""
    direction: int
    """Its column; picked by ROC AUC on the other half."""
    roc_auc: float
    """On the half that did not pick it."""
    roc_auc_low: float
    """Lower end of the 95 % interval over users."""
    roc_auc_high: float
    """Upper end."""
    r: float
    """Point-biserial, on the same half."""
    q: float
    """Benjamini-Hochberg over all directions and attribute values of this target, that half."""
    precision: float
    """Share of that half's moments where it is strongest that carry the attribute."""
    carried_share: float
    """Share of all that half's moments that carry it: the precision of chance."""


@dataclass(frozen=True)
class TargetMeasures:
    """How well a set tells attribute values apart by one target."""

    target: str
    """What carries the attribute."""
    mean_best_auc: float
    """Mean over attribute values of the best direction's ROC AUC on the unseen half."""
    mean_best_auc_picked: float
    """The same on the half that picked: the difference is luck."""
    covered: dict[str, int]
    """Attribute values at or above each AUC on the unseen half."""
    mean_best_precision: float
    """Mean over attribute values of the most precise direction's precision on the unseen half:
    picked by precision on the other."""
    precise: dict[str, int]
    """Attribute values at or above each precision on the unseen half."""
    purity: float
    """Mean over directions of (precision - chance) / (1 - chance) on the unseen half, for the one
    value of which this is highest on the other: 1 where its strongest moments have one value in
    common, 0 where they are like all."""
    own_purity: float
    """The same beyond the mean precision of the set's directions in place of chance: 0 where all
    directions have the same in common."""
    discovered_share: float
    """Share of (direction, value) pairs with a correlation at a false discovery rate of 5 %."""


@dataclass(frozen=True)
class SetMeasures:
    """One set of directions, judged."""

    name: str
    """What tables call it."""
    n_directions: int
    """How many there are, both signs of one counted as two."""
    n_constant: int
    """How many never vary on these rows: dead features."""
    targets: tuple[TargetMeasures, ...]
    """By target."""
    similarity_by_attributes: float
    """Monosemanticity: mean over directions, Jaccard of the catalogue's attribute values."""
    similarity_by_co_occurrence: float
    """Monosemanticity: mean over directions, cosine of the items' readers."""
    predicted_share: float
    """Mean over directions of R2 on the unseen half, activation predicted from its one label."""
    best: tuple[BestDirection, ...]
    """By target and attribute value."""


@dataclass(frozen=True)
class Comparison:
    """One set against another by one measure, on the same drawn users."""

    measure: str
    """`mean best AUC`, `values at AUC .9`, `mean best precision`, `values at precision .9`,
    `purity`, `purity of its own`, `alike by attributes`, `alike by co-occurrence` or
    `R2 from label`."""
    target: str
    """What carries the attribute; empty where the measure has none."""
    one: str
    """Name of the set in question."""
    other: str
    """Name of its control."""
    one_value: float
    """The measure of the set in question."""
    other_value: float
    """The measure of the control: mean over its draws."""
    other_lowest: float
    """The lowest of its draws."""
    other_highest: float
    """The highest of its draws."""
    n_draws: int
    """Draws of the control: 1 where nothing in it is random."""
    difference: float
    """`one_value - other_value`."""
    low: float
    """Lower end of the 95 % interval of the difference."""
    high: float
    """Upper end."""
    q: float
    """Of "there is no difference": Benjamini-Hochberg over all comparisons of the study."""


@dataclass(frozen=True)
class FeatureAssociation:
    """What a feature answers to by one target: picked on one half, scored on the other."""

    target: str
    """What carries the attribute."""
    attribute: str
    """`name=value` with the highest ROC AUC on the half that picks."""
    roc_auc: float
    """On the other half."""
    r: float
    """Point-biserial, there."""
    q: float
    """Benjamini-Hochberg over all features and values of this target, there."""
    precision: float
    """Share of the moments where it is strongest that carry the value, there."""
    carried_share: float
    """Share of all moments that carry it, there."""


@dataclass(frozen=True)
class FeatureMeaning:
    """One feature that is not dead."""

    feature_index: int
    """Row of W_dec."""
    density: float
    """Share of the moments where it is active."""
    predicted_share: float | None
    """R2 of its activation from its one label, on the unseen half; None: it never varies there."""
    associations: tuple[FeatureAssociation, ...]
    """By target."""


@dataclass(frozen=True)
class FeatureExample:
    """A feature to show: the clearest for some attribute value, by its precision."""

    feature_index: int
    """Row of W_dec."""
    attribute: str
    """`name=value`, of the last item."""
    roc_auc: float
    """On the unseen half."""
    r: float
    """Point-biserial, there."""
    precision: float
    """There."""
    carried_share: float
    """There."""
    density: float
    """Share of the moments where it is active."""
    items: tuple[str, ...]
    """Titles of the items with its highest mean activation, strongest first."""


@dataclass(frozen=True)
class InterpretationStudy:
    """All sets on the same rows."""

    n_rows: int
    """Moments read."""
    n_users: int
    """Whose they are."""
    n_values: int
    """Attribute values asked about."""
    n_values_left_out: int
    """Attribute values of the catalogue with enough items that were not asked about, being read
    less often than those that were."""
    strongest_share: float
    """Part of the moments that precision and purity look at: where a direction is strongest."""
    random_similarity_by_attributes: float
    """Of two items drawn at random."""
    random_similarity_by_co_occurrence: float
    """Of two items drawn at random."""
    sets: tuple[SetMeasures, ...]
    """In the order given; of a set drawn several times, its first draw."""
    comparisons: tuple[Comparison, ...]
    """By set in question, control, measure and target."""
    verdict: tuple[str, ...]
    """Where the claim holds and where it does not, one sentence each."""
    features: tuple[FeatureMeaning, ...]
    """The SAE's live features, by index."""
    examples: tuple[FeatureExample, ...]
    """The clearest features, each of another value, clearest first."""
