"""The publish policy: what a preview must say before a revision goes into force."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

from service.errors import PublishRefused
from service.presets.record import PresetRevision
from service.preview.summary import Previews, PreviewSummary
from service.settings import Settings

NEVER = "revision {revision} of preset {name!r} was not previewed as it is stored"


@dataclass(frozen=True, slots=True)
class PublishPolicy:
    """What publishing requires; docs/settings.md has the meanings."""

    requires_preview: bool = False
    """Whether anything is required at all."""
    min_overlap: float | None = None
    """Least mean overlap; None: any."""
    max_inactive_share: float | None = None
    """Largest inactive share of a rule; None: any."""
    max_clipped_share: float | None = None
    """Largest clipped share of a rule; None: any."""
    min_ndcg_kept: float | None = None
    """Least NDCG after over before; None: any."""
    min_histories: int = 100
    """Least histories to which the preset applied."""
    max_preview_age_s: float = 86_400.0
    """Longest that a preview counts."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The policy that the settings name."""
        return cls(
            requires_preview=settings.publish_requires_preview,
            min_overlap=settings.publish_min_overlap,
            max_inactive_share=settings.publish_max_inactive_share,
            max_clipped_share=settings.publish_max_clipped_share,
            min_ndcg_kept=settings.publish_min_ndcg_kept,
            min_histories=settings.publish_min_histories,
            max_preview_age_s=settings.publish_max_preview_age_s,
        )

    def violations(self, summary: PreviewSummary) -> Iterator[str]:
        """How a preview breaks the policy, a sentence for each limit."""
        if self.requires_preview:
            yield from self.too_few(summary)
            yield from self.beyond_limits(summary)

    def too_few(self, summary: PreviewSummary) -> Iterator[str]:
        """Whether a preview proves too little: more histories may help."""
        if summary.targeted_count < self.min_histories:
            yield (
                f"the preset applied to {summary.targeted_count} histories, at least"
                f" {self.min_histories} are needed"
            )

    def beyond_limits(self, summary: PreviewSummary) -> Iterator[str]:
        """What the preset does beyond its limits: only another one helps."""
        if self.min_overlap is not None and summary.overlap < self.min_overlap:
            yield f"overlap {summary.overlap:.3g} is below {self.min_overlap:g}"
        yield from _above("inactive share", summary.inactive_share, self.max_inactive_share)
        yield from _above("clipped share", summary.clipped_share, self.max_clipped_share)
        yield from self._ndcg_violations(summary)

    def _ndcg_violations(self, summary: PreviewSummary) -> Iterator[str]:
        if self.min_ndcg_kept is None:
            return
        if summary.ndcg_kept is None:
            yield (
                f"NDCG kept cannot be told: {summary.next_known_count} next items were known and"
                " none was in a slate before; supply histories with next_item_id"
            )
        elif summary.ndcg_kept < self.min_ndcg_kept:
            yield f"NDCG kept {summary.ndcg_kept:.3g} is below {self.min_ndcg_kept:g}"


def _above(what: str, value: float, most: float | None) -> Iterator[str]:
    if most is not None and value > most:
        yield f"{what} {value:.3g} of a rule is above {most:g}"


class PublishGate:
    """Lets a revision into force that the policy accepts; asked by every write that does so."""

    def __init__(
        self,
        policy: PublishPolicy,
        previews: Previews,
        production_version: Callable[[], str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Make it.

        Args:
            policy: of this deployment.
            previews: where summaries are kept.
            production_version: gives the bundle now labelled production.
            clock: seconds since 1970.
        """
        self._policy = policy
        self._previews = previews
        self._production_version = production_version
        self._clock = clock

    async def __call__(self, record: PresetRevision) -> None:
        """Lets the revision pass.

        Raises:
            PublishRefused: with every way in which the policy is not satisfied.
            StoreUnavailable: the preview cannot be read.
        """
        if not self._policy.requires_preview:
            return
        summary = await self._previews.of(record)
        if summary is None or summary.content_hash != record.content_hash:
            never = NEVER.format(revision=record.revision, name=record.name)
            remedy = f"Store it as a draft, run {_command(record)}, and publish it"
            raise PublishRefused("revision", [never], remedy)
        found = [*self._outdated(summary), *self._policy.violations(summary)]
        if found and any(self._policy.beyond_limits(summary)):
            remedy = "Store another draft that keeps to the policy, and preview that"
            raise PublishRefused("revision", found, remedy)
        if found:
            remedy = f"Run {_command(record)} on enough histories, and publish it"
            raise PublishRefused("revision", found, remedy)

    def _outdated(self, summary: PreviewSummary) -> Iterator[str]:
        now = self._production_version()
        if summary.model_version != now:
            yield f"the preview was on bundle {summary.model_version!r}, production is {now!r}"
        age_s, most = self._clock() - summary.previewed_at, self._policy.max_preview_age_s
        if age_s > most:
            yield f"the preview is {age_s:.0f} s old, at most {most:g} s count"


def _command(record: PresetRevision) -> str:
    """What to run."""
    preview = f"steerrec preset preview {record.name}@{record.revision}"
    return f"`{preview} --recorded 1000` (or `--histories FILE`)"
