"""A study config: layers over each other, and faults that say where they stand."""

from pathlib import Path

import pytest

from training.errors import InvalidStudyConfig
from training.study.config import QUICK, Layer, StudyConfig, quick_layer, read_layer, study_config


def written(folder: Path, text: str) -> Layer:
    path = folder / "study.yaml"
    path.write_text(text)
    return read_layer(path)


def faults_of(*layers: Layer) -> tuple[str, ...]:
    with pytest.raises(InvalidStudyConfig) as refused:
        study_config(layers)
    return refused.value.faults


def test_without_layers_it_is_the_defaults() -> None:
    assert study_config([]) == StudyConfig()


def test_the_quick_layer_is_the_quick_config() -> None:
    assert study_config([quick_layer()]) == QUICK


def test_a_later_layer_goes_over_the_keys_that_it_has() -> None:
    above = Layer("mine", {"train": {"base": {"d_model": 16}}})
    base = study_config([quick_layer(), above]).train.base
    assert (base.d_model, base.max_epochs) == (16, QUICK.train.base.max_epochs)


def test_an_unknown_key_is_told_with_file_line_and_the_nearest_right_one(tmp_path: Path) -> None:
    layer = written(tmp_path, "seeds: [1]\ntrain:\n  base: {d_modle: 3}\n")
    assert faults_of(layer) == (
        f"{layer.source}: line 3: unknown key `train.base.d_modle`; did you mean `d_model`?",
    )


def test_a_value_that_cannot_be_is_told_with_what_was_found(tmp_path: Path) -> None:
    layer = written(tmp_path, "seeds: [-1]\n")
    assert faults_of(layer) == (
        f"{layer.source}: line 1: `seeds.0`: Input should be greater than or equal to 0; found -1",
    )


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    assert len(faults_of(written(tmp_path, "seed: 1\ntrain: {threads: 0}\n"))) == 2


def test_a_seed_of_its_own_beside_the_studys_is_refused() -> None:
    (fault,) = faults_of(Layer("mine", {"train": {"seed": 7}}))
    assert fault.endswith("train.seed 7 is not read here; set seeds instead")


def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidStudyConfig, match="must hold keys and values"):
        written(tmp_path, "[1, 2]")


def test_a_file_that_is_no_yaml_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidStudyConfig, match=r"line 2: not YAML"):
        written(tmp_path, "a: 1\nb: [")


def test_the_first_seed_is_the_one_of_the_run_that_is_studied() -> None:
    assert study_config([Layer("mine", {"seeds": [5, 6]})]).first.seed == 5
