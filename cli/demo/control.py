"""What a preset does to many users, as callers of the running service see it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log2
from statistics import fmean

from steerrec.v1 import recommender_pb2, rule_pb2

from cli.client import Client
from cli.recommending import answers
from cli.slates import share

SLATE = 20
"""Items in whose share the preset is measured."""
K = 10
"""Of the NDCG."""
BATCH = 64
"""Questions in one call."""

Items = Sequence[recommender_pb2.RecommendedItem]


@dataclass(frozen=True)
class TestUser:
    """A user whose newest item is hidden from the service."""

    user_id: str
    history: tuple[str, ...]
    """Item ids, oldest first, without the newest."""
    target: str
    """The newest item's id."""


@dataclass(frozen=True)
class Effect:
    """Means over test users, without and with a preset."""

    n_users: int
    share_before: float
    """Mean share of the attribute in the top 20, unsteered."""
    share_after: float
    ndcg_before: float
    """NDCG@10 of the hidden items, unsteered."""
    ndcg_after: float

    @property
    def share_factor(self) -> float:
        """How many times the share before the share after is; infinite from nothing."""
        return self.share_after / self.share_before if self.share_before else float("inf")

    @property
    def ndcg_kept_share(self) -> float:
        """NDCG@10 with the preset over that without; above 1 where steering helps."""
        return self.ndcg_after / self.ndcg_before if self.ndcg_before else 1.0


def measured(
    client: Client, users: Sequence[TestUser], preset: str, attribute: rule_pb2.Attribute
) -> Effect:
    """The effect of a preset on the share of `attribute`, and on relevance."""
    before = list(_slates(client, users, []))
    after = list(_slates(client, users, [preset]))
    targets = [user.target for user in users]
    return Effect(
        n_users=len(users),
        share_before=fmean(share(slate, attribute) for slate in before),
        share_after=fmean(share(slate, attribute) for slate in after),
        ndcg_before=fmean(map(_gain, before, targets)),
        ndcg_after=fmean(map(_gain, after, targets)),
    )


def request_for(user: TestUser, presets: Sequence[str]) -> recommender_pb2.RecommendRequest:
    """The question that a backend would ask for the user."""
    return recommender_pb2.RecommendRequest(
        history=user.history,
        k=SLATE,
        presets=[recommender_pb2.PresetReference(name=name) for name in presets],
        view=recommender_pb2.VIEW_FULL,
    )


def _slates(client: Client, users: Sequence[TestUser], presets: Sequence[str]) -> Iterator[Items]:
    for start in range(0, len(users), BATCH):
        asked = [request_for(user, presets) for user in users[start : start + BATCH]]
        for reply in answers(client, asked):
            yield reply.items


def _gain(slate: Items, target: str) -> float:
    """NDCG@10 with one relevant item: 1 / log2(1 + rank), 0 below rank 10."""
    ranks = [rank for rank, item in enumerate(slate[:K], start=1) if item.item_id == target]
    return 1 / log2(1 + ranks[0]) if ranks else 0.0
