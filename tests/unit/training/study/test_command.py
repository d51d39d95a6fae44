"""Which parts are done, and on which SAE."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model_store.manifest import SaeKind
from tests.study_results import sweep
from training.config import SaeConfig
from training.dataset import Dataset, Item
from training.errors import InvalidStudyConfig, UnknownStudyAttribute
from training.study.command import NAMES, Wanted, needed, refuse_without_targets, selected_sae
from training.study.config import StudyConfig
from training.study.frontier import FrontierSettings
from training.study.grid import SweepSettings
from training.study.sweep import SweepStudy


def swept(**row: object) -> SweepStudy:
    """A sweep that picked a row like this."""
    study = sweep()
    picked = replace(study.selected.row, **row)  # type: ignore[arg-type]
    return replace(study, d_model=64, selected=replace(study.selected, row=picked))


def test_without_names_all_parts_are_done() -> None:
    assert needed((), StudyConfig()) == NAMES


def test_a_part_that_reads_the_sae_needs_the_sweep() -> None:
    assert set(needed(("frontier",), StudyConfig())) == {"frontier", "sweep"}


@pytest.mark.parametrize("part", ["base", "sweep"])
def test_parts_before_the_choice_stand_alone(part: str) -> None:
    assert set(needed((part,), StudyConfig())) == {part}


def test_without_the_sweeps_choice_no_part_needs_it() -> None:
    assert needed(("frontier",), StudyConfig(is_swept=False)) == ("frontier",)


def test_the_sae_that_was_picked_is_trained_as_the_sweep_trained_it() -> None:
    study = swept(kind="batchtopk", block=2, d_sae=512, width_factor=8, k=24, penalty=None)
    config = StudyConfig(sweep=SweepSettings(steps=700))
    assert selected_sae(study, config) == SaeConfig(
        kind=SaeKind.BATCHTOPK, block=2, d_sae=512, k=24, steps=700
    )


def test_a_penalty_that_was_picked_is_the_kinds_own() -> None:
    study = swept(kind="jumprelu", block=1, d_sae=256, width_factor=4, k=None, penalty=0.003)
    assert selected_sae(study, StudyConfig()).jumprelu.l0_weight == 0.003


def wanted(config: StudyConfig, **attributes: tuple[str, ...]) -> Wanted:
    """A study of one user and one item that carries these attributes."""
    item = Item("a", "A", attributes)
    data = Dataset("d", (item,), ("u",), (np.array([1], dtype=np.int32),), "0")
    return Wanted(data, config, Path("out"), Path("work"))


def test_data_without_attributes_are_refused_for_every_part_that_steers() -> None:
    with pytest.raises(InvalidStudyConfig) as refused:
        refuse_without_targets(wanted(StudyConfig()))
    assert [fault.partition(":")[0] for fault in refused.value.faults] == [
        "`frontier`",
        "`doses`",
        "`suppression`",
    ]


def test_an_attribute_that_no_item_carries_is_refused_before_training() -> None:
    named = StudyConfig(frontier=FrontierSettings(attributes=("genre=Horor",)))
    with pytest.raises(UnknownStudyAttribute):
        refuse_without_targets(wanted(named, genre=("Horror",)))
