"""Which settings follow from the size of the data, and why, in sentences."""

from collections.abc import Iterator

from training.config import GROUP_USERS, SAMPLED_FROM
from training.memory import HIDDEN_BYTES, rows_of_hidden
from training.pipeline import Run


def choices(run: Run) -> tuple[str, ...]:
    """One sentence for each setting that follows from the size of the data."""
    return tuple(_choices(run))


def _choices(run: Run) -> Iterator[str]:
    base, n_items = run.config.base, run.dataset.n_items
    if base.negatives is None:
        sampled = base.negatives_for(n_items)
        other = "set base.negatives: all for the loss over the whole catalogue, which takes longer"
        if sampled is None:
            other = f"negatives are sampled from {SAMPLED_FROM:,} items on"
        chosen = f"base.negatives: {sampled or 'all'}"
        yield f"{chosen}, since the catalogue has {n_items:,} items; {other}"
    effects, users = run.config.cards.effects, run.config.cards.effects.group_users_for(n_items)
    if effects.group_users is None and users != GROUP_USERS:
        yield (
            f"cards.effects.group_users: {users}, since each has {n_items:,} scores for each dose; "
            f"set cards.effects.group_users: {GROUP_USERS} for narrower bands"
        )
    n_positions, most = sum(map(len, run.split.train)), rows_of_hidden(base.d_model)
    if n_positions > most:
        yield (
            f"the SAE learns from and is measured on {most:,} of the {n_positions:,} positions of "
            f"the training histories, drawn at random: more hidden states than "
            f"{HIDDEN_BYTES >> 20:,} MiB are not held"
        )
