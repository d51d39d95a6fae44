"""Trainings of seconds: a few walking users, a config that is far too small to be good."""

import numpy as np

from training.config import TrainConfig, train_config
from training.dataset import Dataset, Item, history_sha256

TINIEST: TrainConfig = train_config(
    {
        "base": {"d_model": 8, "n_blocks": 1, "n_heads": 1, "max_seq": 10, "max_epochs": 2},
        "sae": {"d_sae": 16, "k": 4, "steps": 120, "batch_size": 32, "dead_after_steps": 25},
        "cards": {
            "min_items": 2,
            "effect_users": 5,
            "effects": {
                "users": 5,
                "group_users": 5,
                "feature_scale": [4.0],
                "feature_add": [],
                "group_scale": [],
                "group_add": [4.0],
                "random_directions": 1,
                "draws": 2,
            },
        },
    },
    "tests",
)


def walks(*lengths: int, n_items: int = 12, attributes: bool = True) -> Dataset:
    """Users who walk the catalogue round and round, each from the next item."""
    histories = tuple(
        ((np.arange(length) * (1 + user % 3) + user) % n_items + 1).astype(np.int32)
        for user, length in enumerate(lengths)
    )
    items = tuple(
        Item(f"i{i}", f"Item {i}", {"parity": (str(i % 2),)} if attributes else {})
        for i in range(n_items)
    )
    users = tuple(f"u{user}" for user in range(len(lengths)))
    digest = history_sha256(users, histories, [item.item_id for item in items])
    return Dataset("walks", items, users, histories, digest)
