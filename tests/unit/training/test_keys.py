"""What the work folder is keyed by: a setting that the size chose counts as if it had been set."""

from pathlib import Path

import numpy as np

from training.config import BaseModelConfig, CardsConfig, EffectsConfig, Negatives, TrainConfig
from training.dataset import Dataset, Item
from training.pipeline import Run


def _run(n_items: int, negatives: Negatives, group_users: int | None = None) -> Run:
    items = tuple(Item(str(index), str(index), {}) for index in range(n_items))
    history = np.arange(1, 5, dtype=np.int32)
    dataset = Dataset("shop", items, ("a",), (history,), "0" * 64)
    config = TrainConfig(
        base=BaseModelConfig(negatives=negatives),
        cards=CardsConfig(effects=EffectsConfig(group_users=group_users)),
    )
    return Run(config, dataset, Path("work"))


def test_the_defaults_of_a_small_catalogue_keep_their_key() -> None:
    assert _run(20, None).keys == _run(20, "all", 2_000).keys


def test_the_defaults_of_a_large_catalogue_have_the_key_of_what_they_choose() -> None:
    assert _run(20_000, None).keys == _run(20_000, 3_000, 2_000).keys
    assert _run(20_000, None).keys["base"] != _run(20_000, "all").keys["base"]
