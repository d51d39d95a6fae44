"""What a study is: the training of one data set and the settings of each part, in one YAML.

Layers, the later over the earlier: defaults, the recipe of a known data set (or `--quick`), the
owner's own file.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ValidationError, model_validator
from ruamel.yaml.comments import CommentedMap

from training.builtin import RECIPES
from training.config import TINY, Seed, Settings, TrainConfig
from training.errors import InvalidStudyConfig
from training.spelling import nearest
from training.study.cards import CardsSettings
from training.study.doses import DosesSettings
from training.study.frontier import FrontierSettings
from training.study.grid import QUICK_SWEEP, SweepSettings
from training.study.labels import LabelsSettings
from training.study.promise import PromiseSettings
from training.study.question import InterpretationSettings
from training.study.suppression import SuppressionSettings
from training.yaml_file import yaml_content

STUDY_FILE = "study.yaml"
"""In the folder of a data set whose study is written down, beside its `data.yaml`."""


class StudyConfig(Settings):
    """A whole study: every part's result depends on its own section and on what was trained."""

    train: TrainConfig = TrainConfig()
    """Base model, SAE and cards; the sweep may put another SAE in its place."""
    seeds: tuple[Seed, ...] = (0, 1, 2)
    """Of the base models; the first one's model is studied beyond its metrics."""
    is_swept: bool = True
    """Whether the sweep's rule picks the SAE; false: `train.sae` is studied as it stands."""

    sweep: SweepSettings = SweepSettings()
    """Which SAEs are compared, and how one is picked."""
    interpretation: InterpretationSettings = InterpretationSettings()
    """What features and other directions are asked."""
    labels: LabelsSettings = LabelsSettings()
    """How labels are checked."""
    frontier: FrontierSettings = FrontierSettings()
    """Which attributes are raised, by whom and on whom."""
    doses: DosesSettings = DosesSettings()
    """Which doses are measured."""
    suppression: SuppressionSettings = SuppressionSettings()
    """What is suppressed, and for whom."""
    cards: CardsSettings = CardsSettings()
    """Which effect cards are shown; what they measure is in `train.cards`."""
    promise: PromiseSettings = PromiseSettings()
    """What effect cards promise, and to whom."""

    @model_validator(mode="after")
    def _seeds_say_it_all(self) -> Self:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds {list(self.seeds)}: give at least one, and each once")
        if self.train.seed not in (0, self.seeds[0]):
            raise ValueError(f"train.seed {self.train.seed} is not read here; set seeds instead")
        return self

    @property
    def first(self) -> TrainConfig:
        """The training that is studied beyond its metrics."""
        return self.train.model_copy(update={"seed": self.seeds[0]})


QUICK = StudyConfig(
    train=TINY,
    seeds=(0, 1),
    sweep=QUICK_SWEEP,
    interpretation=InterpretationSettings(
        max_moments=3_000, max_values=20, n_clusters=4, random_draws=1, draws=50, similarity_draws=3
    ),
    labels=LabelsSettings(max_moments=3_000),
    frontier=FrontierSettings(
        n_common=2, n_rare=1, n_choosers=200, n_users=200, n_strengths=7, draws=50
    ),
    doses=DosesSettings(n_common=1, n_rare=1, n_choosers=200, n_users=200, n_random=2, draws=50),
    suppression=SuppressionSettings(n_common=2, n_rerank=6, draws=50),
    promise=PromiseSettings(n_users=200, draws=50),
)
"""Every part on ml-100k in minutes: for tests, and to see the report; its figures mean little."""


class Layer(NamedTuple):
    """Settings from one place; those that it leaves out come from the layers before it."""

    source: str
    """What a fault names: a file, or a flag."""
    content: Mapping[str, Any]
    """As YAML reads it."""


def study_config(layers: Sequence[Layer]) -> StudyConfig:
    """The config that the layers make, the later over the earlier.

    Raises:
        InvalidStudyConfig: an unknown key or a value that cannot be; every fault at once.
    """
    merged: Mapping[str, Any] = {}
    for layer in layers:
        merged = _over(merged, layer.content)
    try:
        return StudyConfig.model_validate(merged)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        raise InvalidStudyConfig([_sentence(fault, layers) for fault in faults]) from error


def read_layer(path: Path) -> Layer:
    """The settings in a YAML file.

    Raises:
        InvalidStudyConfig: the file cannot be read, or is no YAML of keys and values.
    """
    content = yaml_content(path, lambda fault: InvalidStudyConfig([f"{path}: {fault}"]))
    if not isinstance(content, CommentedMap | None):
        raise InvalidStudyConfig([f"{path}: must hold keys and values, e.g. `seeds: [0, 1]`"])
    return Layer(str(path), content or {})


def quick_layer() -> Layer:
    """The settings of `--quick`."""
    return Layer("--quick", QUICK.model_dump(mode="json", exclude_unset=True))


def recipe_layer(name: str) -> Layer | None:
    """The settings written down for a data set; None where there are none.

    Raises:
        InvalidStudyConfig: the recipe is at fault.
    """
    path = RECIPES / name / STUDY_FILE
    return read_layer(path) if path.is_file() else None


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> Mapping[str, Any]:
    """Both settings; where a section is in both, its keys are merged."""
    merged = dict(below)
    for key, value in above.items():
        known = merged.get(key)
        both = isinstance(known, Mapping) and isinstance(value, Mapping)
        merged[key] = _over(known, value) if both and known is not None else value
    return merged


def _sentence(fault: Any, layers: Sequence[Layer]) -> str:
    """Where the fault stands, what is wrong, and for an unknown key the nearest right one."""
    place: tuple[str | int, ...] = fault["loc"]
    source, where = _source(place, layers), ".".join(map(str, place)) or "study"
    if fault["type"] == "extra_forbidden":
        return f"{source}unknown key `{where}`; {_hint(str(place[-1]), _known_keys(place[:-1]))}"
    is_value = not isinstance(fault["input"], Mapping | BaseModel)
    found = f"; found {fault['input']!r}" if is_value else ""
    return f"{source}`{where}`: {fault['msg'].removeprefix('Value error, ')}{found}"


def _hint(key: str, known: Sequence[str]) -> str:
    near = nearest(key, known)
    return f"did you mean `{near}`?" if near else f"known here: {', '.join(known)}"


def _known_keys(section: Sequence[str | int]) -> list[str]:
    """The keys that a section may hold; none where the place is no section."""
    model: Any = StudyConfig
    for key in section:
        field = model.model_fields.get(str(key)) if _is_section(model) else None
        model = None if field is None else field.annotation
    return list(model.model_fields) if _is_section(model) else []


def _is_section(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _source(place: Sequence[str | int], layers: Sequence[Layer]) -> str:
    """File and line of the newest layer that holds the place, else nothing."""
    for layer in reversed(layers):
        if (lines := _lines(place, layer.content)) is not None:
            return f"{layer.source}: line {lines[-1]}: " if lines else f"{layer.source}: "
    return ""


def _lines(place: Sequence[str | int], content: Any) -> list[int] | None:
    """Lines of the keys on the way to the place; None where they do not all stand there."""
    lines = []
    for key in place:
        if not isinstance(content, Mapping):
            break  # places in a list have no line of their own
        if key not in content:
            return None
        if isinstance(content, CommentedMap):
            lines.append(content.lc.key(key)[0] + 1)
        content = content[key]
    return lines
