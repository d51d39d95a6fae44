"""What a training run is: frozen settings, with defaults for ml-100k on two cores."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from model_store.manifest import (
    BaseModelShape,
    EditPositions,
    HookPoint,
    SaeKind,
    SaeShape,
    Share,
)
from training.errors import InvalidTrainConfig
from training.spelling import nearest
from training.yaml_file import yaml_content

MOST = 2**31 - 1
"""Largest count: what torch and ONNX take for any of them."""
SHOWN = 60
"""Characters of a value that a message shows."""
MAX_SEED = 2**32 - 1
"""What numpy, scikit-learn and torch all take, with an epoch's number added."""

Count = Annotated[int, Field(ge=1, le=MOST)]
CountOrZero = Annotated[int, Field(ge=0, le=MOST)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]

SAMPLED_FROM: Final = 20_000
"""Items from which on the loss samples negatives unless the config says otherwise: there an epoch
over the whole catalogue takes three times as long (`python -m bench.training_size`)."""
SAMPLED_NEGATIVES: Final = 3_000
"""As many as it samples then. Source: Klenitskiy and Vasilev, arXiv 2309.07602, whose model with
3,000 negatives ranks as well as with all 27,000 items."""

GROUP_USERS: Final = 2_000
"""On whom each attribute group is tried unless the config says otherwise."""
GROUP_SCORES: Final = 40_000_000
"""Scores of items that one dose of a group is worth then: those of 2,000 users at 20,000 items."""
FEWEST_GROUP_USERS: Final = 200
"""Fewer would leave wide bands."""


class Settings(BaseModel):
    """Frozen settings; an unknown key is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Negatives = Count | Literal["all"] | None
"""How many items the loss compares a next item with; None: by the size of the catalogue."""


class BaseModelConfig(Settings):
    """The transformer and its training."""

    d_model: Count = 64
    """Width of the hidden state."""
    n_blocks: Count = 2
    """Transformer blocks."""
    n_heads: Count = 2
    """Attention heads of each block; divides d_model."""
    max_seq: Count = 50
    """Newest history items that the model reads."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Share of units dropped in training."""
    learning_rate: Rate = 3e-3
    """Of AdamW, constant between the warm-up and the fall."""
    decay_share: Share = 0.0
    """Last share of max_epochs over which the learning rate falls linearly to 0."""
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.01
    """Of AdamW, on everything but biases, norms and embeddings' padding."""
    batch_size: Count = 64
    """Windows of histories in a step; with `batch_positions` at least so many."""
    batch_positions: Count | None = None
    """Positions that short windows together fill in a step; None: `batch_size` windows, short or
    long."""
    max_epochs: Count = 40
    """Passes over all interactions, if patience lasts."""
    patience: Count = 6
    """Epochs without a better validation NDCG@10 before training stops."""
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Weight of the past, per step, in the running mean of weights that is validated and kept."""
    negatives: Negatives = None
    """Uniformly sampled negatives shared by a batch; `all`: cross-entropy over the catalogue; None:
    by the size of the catalogue, `all` below SAMPLED_FROM items and SAMPLED_NEGATIVES from there
    on."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the forward pass in training; weights are always float32."""

    @field_validator("negatives", mode="wrap")
    @classmethod
    def _one_sentence(cls, value: object, handler: ValidatorFunctionWrapHandler) -> object:
        try:
            return handler(value)
        except ValidationError:
            raise ValueError("must be a count of at least 1, or `all`") from None

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.d_model % self.n_heads:
            raise ValueError(f"n_heads {self.n_heads} does not divide d_model {self.d_model}")
        return self

    def negatives_for(self, n_items: int) -> int | None:
        """Negatives sampled from a catalogue of `n_items`; None: the loss compares with all."""
        if self.negatives is None:
            return SAMPLED_NEGATIVES if n_items >= SAMPLED_FROM else None
        return None if self.negatives == "all" else self.negatives

    def shape(self, n_items: int) -> BaseModelShape:
        """The transformer's shape over a catalogue of `n_items`."""
        names = ("max_seq", "d_model", "n_blocks", "n_heads")
        return BaseModelShape(n_items=n_items, **{name: getattr(self, name) for name in names})


class ReluConfig(Settings):
    """What only a RELU autoencoder is trained by."""

    l1_weight: Rate = 0.005
    """Of the mean L1 norm of the activations, each times its decoder row's norm."""


class JumpReluConfig(Settings):
    """What only a JUMPRELU autoencoder is trained by."""

    l0_weight: Rate = 0.0004
    """Of the mean number of active features."""
    bandwidth: Rate = 1.0
    """Width of the band around a threshold within which activations teach it."""
    initial_threshold: Rate = 0.5
    """Of every feature."""


MIN_SAE_BATCH = 2


class SaeConfig(Settings):
    """The sparse autoencoder, where it is hooked, and its training."""

    kind: SaeKind = SaeKind.TOPK
    """How activations are kept sparse: TOPK and BATCHTOPK by k, RELU and JUMPRELU by penalty."""
    d_sae: Count = 512
    """Number of features."""
    k: Count = 48
    """Active features per position (TOPK), or on average (BATCHTOPK); the others read none."""
    relu: ReluConfig = ReluConfig()
    """Only for RELU."""
    jumprelu: JumpReluConfig = JumpReluConfig()
    """Only for JUMPRELU."""
    block: Count | None = None
    """The hook is after this block; n_blocks + 1: the final norm; None: the last block."""
    positions: EditPositions = EditPositions.LAST
    """Positions that an edit touches; ALL only where blocks remain above the hook."""
    max_positions: Count | None = None
    """Most positions of the training histories that are learned from, drawn; None: all."""
    newest_positions: CountOrZero = 40_000
    """Newest positions of sampled beginnings of histories, learned from beside those."""
    seed: Seed | None = None
    """Of weights and batches; None: the run's. Features of two seeds are compared on one model."""
    steps: Count = 2_500
    """Optimiser steps."""
    batch_size: Count = 1_024
    """Positions in a step; at least 2, since the loss is a share of their variance."""
    learning_rate: Rate = 3e-3
    """Of Adam; falls linearly to 0 over the last fifth of the steps."""
    penalty_warm_up: Share = 0.1
    """First share of the steps, over which the penalty of RELU or JUMPRELU rises from 0."""
    auxiliary_weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1 / 32
    """Weight of the loss that lets dead features explain what is left over."""
    auxiliary_k: Count = 64
    """Dead features that take part in it at each position."""
    dead_after_steps: Count = 100
    """Steps without firing before a feature counts as dead in that loss."""

    @model_validator(mode="after")
    def _batch_has_variance(self) -> Self:
        if self.batch_size < MIN_SAE_BATCH:
            raise ValueError(
                "batch_size 1 would diverge: one position has no variance; set it to "
                f"{MIN_SAE_BATCH} or more"
            )
        return self

    @model_validator(mode="after")
    def _settings_fit_the_kind(self) -> Self:
        if self.is_counted and self.k > self.d_sae:
            raise ValueError(f"k {self.k} is more than d_sae {self.d_sae}")
        if self.relu != ReluConfig() and self.kind is not SaeKind.RELU:
            raise ValueError(f"relu has settings, but kind is {self.kind}")
        if self.jumprelu != JumpReluConfig() and self.kind is not SaeKind.JUMPRELU:
            raise ValueError(f"jumprelu has settings, but kind is {self.kind}")
        return self

    @property
    def is_counted(self) -> bool:
        """Whether k says how many features are active."""
        return self.kind in (SaeKind.TOPK, SaeKind.BATCHTOPK)

    def shape(self) -> SaeShape:
        """The autoencoder's shape, its threshold still unknown."""
        return SaeShape(kind=self.kind, d_sae=self.d_sae, k=self.k if self.is_counted else None)


Strength = Annotated[float, Field(ge=-1e6, le=1e6)]
Factor = Annotated[float, Field(ge=0, le=1e6)]


class EffectsConfig(Settings):
    """Effect cards: which doses are tried, and on how many users of the carded cohort."""

    users: CountOrZero = 200
    """On whom each feature is tried, at most; 0: features have no effects."""
    group_users: CountOrZero | None = None
    """On whom each attribute group is tried, at most; 0: groups have no effects; None: by the size
    of the catalogue, GROUP_USERS below SAMPLED_FROM items and from there on as many as have
    GROUP_SCORES scores."""
    feature_scale: tuple[Factor, ...] = (0.0, 2.0, 4.0, 8.0)
    """Factors of a feature."""
    feature_add: tuple[Strength, ...] = (-2.0, -1.0, 1.0, 2.0, 4.0)
    """Reference units added to a feature."""
    group_scale: tuple[Factor, ...] = (0.0, 0.5, 2.0, 4.0, 8.0, 16.0)
    """Factors of a group's features."""
    group_add: tuple[Strength, ...] = (-8, -4, -2, -1, 0.5, 1, 2, 3, 4, 6, 8, 12, 16)
    """Reference units added to a group."""
    off_target_scale: Factor = 2.0
    """Factor at which changes of other attributes are given: the nearest of those tried."""
    off_target_add: Strength = 1.0
    """The same in reference units."""
    max_off_target: CountOrZero = 5
    """Changes of other attributes on a card."""
    random_directions: Annotated[int, Field(ge=1, le=10_000)] = 8
    """Directions of equal norm that every dose is compared with."""
    draws: Annotated[int, Field(ge=0, le=100_000)] = 200
    """Of the bootstrap over users."""

    def group_users_for(self, n_items: int) -> int:
        """Users on whom groups are tried over a catalogue of `n_items`."""
        if self.group_users is not None:
            return self.group_users
        affordable = max(FEWEST_GROUP_USERS, GROUP_SCORES // n_items)
        return GROUP_USERS if n_items < SAMPLED_FROM else min(GROUP_USERS, affordable)


class CardsConfig(Settings):
    """What is measured of each feature."""

    max_positions: Count = 100_000
    """Positions of the training histories that are read; more are subsampled."""
    min_items: Count = 10
    """Fewest items of an attribute value that is measured."""
    max_attributes: Count = 5
    """Associations on a card."""
    max_top_items: Count = 10
    """Top items on a card."""
    min_item_count: Count = 20
    """Fewest times that a top item was read as the newest."""
    label_auc: Share = 0.6
    """Lowest lower bound of ROC AUC at which an attribute labels a feature."""
    label_lift: Rate = 1.5
    """Lowest lift at which an attribute labels a feature."""
    label_clusters: CountOrZero = 40
    """Clusters of items read together that may label what no attribute does; 0: none."""
    effect_users: Count = 300
    """Users who choose, on whose training histories the effect of each feature is measured."""
    effect_dose: Rate = 1.0
    """Reference units added to a feature to measure its effect."""
    group_size: Count = 20
    """Most features in an attribute's group."""
    group_candidates: Count = 30
    """Features that raise an attribute most by one reference unit, of which its group is chosen."""
    effects: EffectsConfig = EffectsConfig()
    """What doses do."""

    def sized(self, n_items: int) -> Self:
        """The same with what follows from a catalogue of `n_items` filled in."""
        chosen = {"group_users": self.effects.group_users_for(n_items)}
        return self.model_copy(update={"effects": self.effects.model_copy(update=chosen)})


class LabellerConfig(Settings):
    """An OpenAI-compatible endpoint that names features; its key comes from the environment."""

    base_url: Annotated[str, Field(pattern=r"^https?://")]
    """Up to and without /chat/completions, e.g. http://127.0.0.1:8000/v1."""
    model: Annotated[str, Field(min_length=1)]
    """As the endpoint calls it."""
    max_features: Count | None = None
    """Features asked about, lowest index first; None: all that are strong on some item."""
    concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    """Questions under way at a time."""
    timeout_s: Rate = 60.0
    """For one answer."""
    retries: Annotated[int, Field(ge=0, le=20)] = 4
    """Of a question that may be answered later, each after a longer wait."""


class TrainConfig(Settings):
    """A whole run: one fingerprint, one bundle."""

    base: BaseModelConfig = BaseModelConfig()
    """The base model."""
    sae: SaeConfig = SaeConfig()
    """The sparse autoencoder."""
    cards: CardsConfig = CardsConfig()
    """Feature cards and attribute groups."""
    labeller: LabellerConfig | None = None
    """A language model that rewrites the labels of features; None: the rule's labels stay."""
    variants: tuple[Literal["int8", "bfloat16"], ...] = ()
    """Precisions in which the bundle is published once more, if it keeps its answers (ADR 0015)."""
    seed: Seed = 0
    """Of initial weights, windows, batches, dropout and samples."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where training runs."""
    threads: Annotated[int, Field(ge=1, le=1_024)] = 1
    """Of torch on the CPU. Two cost a small model tenfold where another process wants a core."""

    @model_validator(mode="after")
    def _hook_fits(self) -> Self:
        block, n_blocks = self.hook_point.block, self.base.n_blocks
        if block > n_blocks + 1:
            raise ValueError(f"sae.block {block} is above the final norm, {n_blocks + 1}")
        if self.sae.positions is EditPositions.ALL and block >= n_blocks:
            raise ValueError("sae.positions: all needs a hook below the last block")
        return self

    @property
    def hook_point(self) -> HookPoint:
        """Where the SAE reads and the edit writes."""
        return HookPoint(block=self.sae.block or self.base.n_blocks, positions=self.sae.positions)

    @property
    def sae_seed(self) -> int:
        """Of the SAE's weights and batches."""
        return self.seed if self.sae.seed is None else self.sae.seed


TINY = TrainConfig(
    base=BaseModelConfig(d_model=32, max_epochs=5, dropout=0.1, learning_rate=1e-2),
    sae=SaeConfig(d_sae=128, k=24, newest_positions=5_000, steps=300, dead_after_steps=25),
    cards=CardsConfig(
        max_positions=20_000,
        effect_users=100,
        effects=EffectsConfig(
            users=30,
            group_users=200,
            feature_scale=(4.0,),
            feature_add=(2.0,),
            group_scale=(4.0,),
            group_add=(-4.0, 4.0, 8.0, 16.0),
            random_directions=2,
            draws=20,
        ),
    ),
    threads=1,
)
"""Trains on ml-100k in seconds: for tests."""


def read_config(path: Path) -> TrainConfig:
    """The config in a YAML file; what it leaves out has its default.

    Raises:
        InvalidTrainConfig: it cannot be read, is no YAML, or holds an unknown key or a value out of
            range; every fault at once.
    """

    def refused(fault: str) -> InvalidTrainConfig:
        return InvalidTrainConfig(path, (fault,))

    written = yaml_content(path, refused, "safe")
    if not isinstance(written, dict | None):
        raise refused("must hold keys and values, e.g. `base: {max_epochs: 20}`")
    return train_config({str(name): value for name, value in (written or {}).items()}, path)


def train_config(settings: Mapping[str, Any], source: Path | str) -> TrainConfig:
    """The config of some settings; what they leave out has its default.

    Args:
        settings: by section and name, as in a file.
        source: what messages call them, e.g. "command line".

    Raises:
        InvalidTrainConfig: an unknown key or a value out of range; every fault at once.
    """
    try:
        return TrainConfig.model_validate(settings)
    except ValidationError as error:
        raise InvalidTrainConfig(source, tuple(map(_sentence, error.errors()))) from error
    except RecursionError as error:
        fault = "holds itself: an alias within its anchor; write the settings out"
        raise InvalidTrainConfig(source, (fault,)) from error


def _sentence(fault: ErrorDetails) -> str:
    place = ".".join(map(str, fault["loc"]))
    message = fault["msg"].removeprefix("Value error, ")
    match fault["type"]:
        case "extra_forbidden":
            return f"{place}: unknown key; {_right_key(fault['loc'])}"
        case "missing":
            return f"{place}: is missing"
        case "model_type":
            return f"{place}: must hold keys and values, or be left out{_given(fault)}"
    return f"{place or 'config'}: {message}{_given(fault)}"


def _right_key(place: Sequence[int | str]) -> str:
    """The nearest right key to the unknown one at the place's end, or all that may stand there."""
    section: type[BaseModel] = TrainConfig
    for name in place[:-1]:
        section = _model_in(section.model_fields[str(name)].annotation)
    near = nearest(str(place[-1]), section.model_fields)
    return f"did you mean {near}?" if near else f"known here: {', '.join(section.model_fields)}"


def _model_in(annotation: Any) -> type[BaseModel]:
    """The model in the annotation of a section, such as `ReluConfig | None`."""
    kinds = (annotation, *get_args(annotation))
    return next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))


def _given(fault: ErrorDetails) -> str:
    """The value that was given, where it is short and says something."""
    value = fault["input"]
    is_plain = isinstance(value, str | int | float) and fault["type"] != "extra_forbidden"
    if not is_plain:
        return ""
    shown = repr(value) if not isinstance(value, int) or abs(value) < 10**30 else "a huge number"
    return f", not {shown[:SHOWN]}"
