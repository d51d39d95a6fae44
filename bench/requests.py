"""Requests of many users, each with rules of its own."""

from steerrec.v1 import recommender_pb2

from loadtest.requests import Wanted, requests_of
from model_store.bundle import Bundle
from service.state_cache import ACTIVATIONS_BYTES, ENTRY_BYTES

N_REQUESTS = 512
K = 20
N_WITH_REPEATS = 4096
REPEATED_WITHIN = 128
"""How many requests back a repeated history is at most."""
KEPT_HISTORIES = 256
"""Whose hidden states there is room for: all within reach of a repeat, and few of those that a
measurement asks about, so that hardly any is still kept when the requests come round again."""
MEAN_LENGTH = 13
"""Of histories, in items that the model reads; about."""


def kept_bytes(bundle: Bundle) -> int:
    """Room for KEPT_HISTORIES, about."""
    shape, sae = bundle.manifest.base_model, bundle.manifest.sae
    positions = MEAN_LENGTH if bundle.manifest.hook_point.block < shape.n_blocks else 1
    position_bytes = 4 * shape.d_model + 8 * (sae.k or sae.d_sae // 64)
    entry = ENTRY_BYTES + ACTIVATIONS_BYTES + 8 * MEAN_LENGTH + positions * position_bytes
    return KEPT_HISTORIES * entry


def unlike_requests(
    bundle: Bundle, n_rules: int, seed: int = 0, repeated_share: float = 0.0
) -> list[recommender_pb2.RecommendRequest]:
    """Requests whose history and rules differ from one to the next.

    Rules ADD to one live feature each, at most one reference unit either way.

    Args:
        bundle: whose items, and features.
        n_rules: of each.
        seed: of all that is drawn.
        repeated_share: how many have the history of an earlier one, not long ago.
    """
    wanted = Wanted(
        count=N_WITH_REPEATS if repeated_share else N_REQUESTS,
        k=K,
        n_rules=(n_rules,),
        by="feature",
        operations=("ADD",),
        repeated_share=repeated_share,
        repeated_within=REPEATED_WITHIN,
        seed=seed,
    )
    return [*requests_of(bundle, wanted)]


def encoded_requests(
    bundle: Bundle, n_rules: int, seed: int = 0, repeated_share: float = 0.0
) -> list[bytes]:
    """The same, serialised."""
    unlike = unlike_requests(bundle, n_rules, seed, repeated_share)
    return [own.SerializeToString(deterministic=True) for own in unlike]
