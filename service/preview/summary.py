"""What is kept of a preview, beside the revision that was previewed."""

import json
from dataclasses import asdict, dataclass
from typing import Protocol

from service.presets.connections import Client
from service.presets.errors import RecordCorrupt
from service.presets.keys import Keys
from service.presets.record import PresetRevision
from service.presets.redis_calls import RedisCalls
from service.presets.redis_faults import Faults
from service.presets.scripts import PREVIEWED
from service.preview.effects import Effects

PREVIEWS_KEPT = 50
"""Revisions of a preset whose last preview is kept."""


@dataclass(frozen=True, slots=True)
class PreviewSummary:
    """The figures that the publish policy looks at."""

    content_hash: str
    """Of the revision that was previewed."""
    model_version: str
    """Of the bundle that it was previewed on."""
    previewed_at: float
    """Seconds since 1970."""
    targeted_count: int
    """Histories to which the preset applied."""
    overlap: float
    """Mean part of the slates before that is still there."""
    inactive_share: float
    """Of the rule that found nothing to act on most often."""
    clipped_share: float
    """Of the rule that a limit cut most often."""
    next_known_count: int
    """Histories whose next item is known."""
    ndcg_before: float
    """On those."""
    ndcg_after: float
    """On those."""

    @property
    def ndcg_kept(self) -> float | None:
        """NDCG after over before; None: it cannot be told."""
        return self.ndcg_after / self.ndcg_before if self.ndcg_before else None


def summary_of(
    effects: Effects, record: PresetRevision, model_version: str, previewed_at: float
) -> PreviewSummary:
    """The summary of a preview of a revision."""
    rules = list(effects.rules())
    return PreviewSummary(
        content_hash=record.content_hash,
        model_version=model_version,
        previewed_at=previewed_at,
        targeted_count=effects.targeted_count,
        overlap=effects.overlap.mean,
        inactive_share=max((rule.inactive for rule in rules), default=0.0),
        clipped_share=max((rule.clipped for rule in rules), default=0.0),
        next_known_count=effects.next_known_count,
        ndcg_before=effects.ndcg_before,
        ndcg_after=effects.ndcg_after,
    )


class Previews(Protocol):
    """Keeps summaries. Every method raises StoreUnavailable where it cannot be reached."""

    async def keep(self, record: PresetRevision, summary: PreviewSummary) -> None:
        """Keeps the summary in the place of an earlier one of the same revision."""

    async def of(self, record: PresetRevision) -> PreviewSummary | None:
        """The last summary of a revision; None: there is none that this version can read."""


class RedisPreviews:
    """Satisfies `Previews`."""

    def __init__(
        self, client: Client, keys: Keys | None = None, faults: Faults | None = None
    ) -> None:
        """Connects on first use; arguments as for `RedisStore`."""
        self._calls = RedisCalls(client, faults)
        self._keys = keys or Keys()

    async def keep(self, record: PresetRevision, summary: PreviewSummary) -> None:
        """See Previews. The lowest revisions make room."""
        text = json.dumps(asdict(summary), sort_keys=True)
        keys = (self._keys.previews(record.name), self._keys.census)
        kept = str(PREVIEWS_KEPT)
        await self._calls.written(PREVIEWED, keys, str(record.revision), text, kept, record.name)

    async def of(self, record: PresetRevision) -> PreviewSummary | None:
        """See Previews."""
        key = self._keys.previews(record.name)
        reading = self._calls.redis.hget(key, str(record.revision))
        try:
            text = await self._calls.call(reading, key)
            return PreviewSummary(**json.loads(text)) if text else None
        except (RecordCorrupt, ValueError, TypeError, RecursionError):
            return None

    async def aclose(self) -> None:
        """Gives connections back."""
        await self._calls.aclose()
