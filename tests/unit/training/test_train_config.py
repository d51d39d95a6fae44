"""The training config: what it refuses, and in which words."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from model_store.manifest import EditPositions, SaeKind
from training.config import BaseModelConfig, EffectsConfig, SaeConfig, TrainConfig, read_config
from training.errors import InvalidTrainConfig


def _written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "train.yaml"
    path.write_text(text)
    return path


def test_an_empty_file_is_the_default(tmp_path: Path) -> None:
    assert read_config(_written(tmp_path, "")) == TrainConfig()


def test_what_a_file_leaves_out_has_its_default(tmp_path: Path) -> None:
    config = read_config(_written(tmp_path, "base: {d_model: 32}\nseed: 7\n"))
    assert config.seed == 7
    assert config.base == TrainConfig().base.model_copy(update={"d_model": 32})


def test_an_unknown_key_is_refused_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidTrainConfig, match=r"base\.d_modl: unknown key; did you mean d_model\?$"
    ):
        read_config(_written(tmp_path, "base: {d_modl: 32}"))


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidTrainConfig) as refused:
        read_config(_written(tmp_path, "base: {d_model: 0}\nsae: {steps: few}\n"))
    assert len(refused.value.faults) == 2


def test_what_is_no_yaml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidTrainConfig, match="not YAML"):
        read_config(_written(tmp_path, "base: {"))


def test_a_file_that_is_nested_too_deep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidTrainConfig, match="line 1: more than 16 sections within each other"):
        read_config(_written(tmp_path, f"base: {'[' * 3000}{']' * 3000}"))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidTrainConfig, match="cannot be read: No such file or directory"):
        read_config(tmp_path / "gone.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base: {n_heads: 3}", "n_heads 3 does not divide d_model 64"),
        (
            "base: {negatives: 0}",
            r"base\.negatives: must be a count of at least 1, or `all`, not 0",
        ),
        (
            "base: {negatives: some}",
            "base.negatives: must be a count of at least 1, or `all`, not 'some'",
        ),
        ("sae: {kind: relux}", r"sae\.kind: Input should be 'topk', 'batchtopk', 'relu'"),
        ("sae: {k: 600, d_sae: 512}", "k 600 is more than d_sae 512"),
        ("sae: {kind: jumprelu, relu: {l1_weight: 1}}", "relu has settings, but kind is jumprelu"),
        ("sae: {jumprelu: {bandwidth: 3}}", "jumprelu has settings, but kind is topk"),
        ("sae: {kind: relu, relu: {l1_weight: 0}}", r"sae\.relu\.l1_weight: .* greater than 0"),
        (
            "sae: {kind: relu, relu: {bandwidth: 1}}",
            r"sae\.relu\.bandwidth: unknown key; known here: l1",
        ),
        ("bases: {}", r"bases: unknown key; did you mean base\?$"),
        ("base:", r"base: must hold keys and values, or be left out$"),
        ("sae: 3", r"sae: must hold keys and values, or be left out, not 3$"),
        ("labeller: {model: m}", "labeller.base_url: is missing$"),
        ("sae: {block: 4}", "sae.block 4 is above the final norm, 3"),
        ("sae: {batch_size: 1}", "sae: batch_size 1 would diverge: .* set it to 2 or more"),
        ("seed: 4294967296", "seed: Input should be less than or equal to 4294967295, not 4294967"),
        (f"seed: 1{'0' * 40}", "seed: .* equal to 4294967295, not a huge number"),
        (f"base: {{d_model: 1{'0' * 40}}}", r"base\.d_model: .* equal to 2147483647, not a huge"),
        ("sae: {steps: 2147483648}", r"sae\.steps: .* equal to 2147483647"),
        ("base: {learning_rate: .inf}", r"base\.learning_rate: Input should be a finite number"),
        ("base: {learning_rate: .nan}", r"base\.learning_rate: .*not nan"),
        ("threads: 100000", "threads: .* equal to 1024, not 100000"),
        ("device: mps", "device: Input should be 'cpu' or 'cuda', not 'mps'"),
        ("sae: {positions: all}", "needs a hook below the last block"),
        ("sae: {block: 3, positions: all}", "needs a hook below the last block"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidTrainConfig, match=message):
        read_config(_written(tmp_path, text))


def test_a_penalised_kind_reads_no_k() -> None:
    config = SaeConfig(kind=SaeKind.JUMPRELU, d_sae=16)
    assert config.shape().k is None


def test_the_hook_is_after_the_last_block_unless_it_says_otherwise() -> None:
    assert TrainConfig().hook_point.block == TrainConfig().base.n_blocks


def test_the_final_norm_is_the_hook_above_the_last_block() -> None:
    config = TrainConfig(sae=SaeConfig(block=3))
    assert config.hook_point.block == config.base.n_blocks + 1


def test_an_edit_of_all_positions_needs_a_block_above() -> None:
    config = TrainConfig(sae=SaeConfig(block=1, positions=EditPositions.ALL))
    assert config.hook_point.positions is EditPositions.ALL


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        TrainConfig().seed = 1


@pytest.mark.parametrize("n_items", [1, 1_682, 3_706, 12_101, 12_611, 19_999])
def test_a_small_catalogue_is_compared_with_whole(n_items: int) -> None:
    assert BaseModelConfig().negatives_for(n_items) is None


@pytest.mark.parametrize("n_items", [20_000, 65_000, 1_000_000])
def test_a_large_catalogue_is_sampled_from(n_items: int) -> None:
    assert BaseModelConfig().negatives_for(n_items) == 3_000


@pytest.mark.parametrize("n_items", [100, 65_000])
def test_negatives_that_are_set_are_kept_whatever_the_catalogue(n_items: int) -> None:
    assert BaseModelConfig(negatives="all").negatives_for(n_items) is None
    assert BaseModelConfig(negatives=512).negatives_for(n_items) == 512


@pytest.mark.parametrize(
    ("n_items", "users"), [(12_611, 2_000), (19_999, 2_000), (65_000, 615), (1_000_000, 200)]
)
def test_groups_of_a_large_catalogue_are_tried_on_fewer_users(n_items: int, users: int) -> None:
    assert EffectsConfig().group_users_for(n_items) == users
    assert EffectsConfig(group_users=700).group_users_for(n_items) == 700
