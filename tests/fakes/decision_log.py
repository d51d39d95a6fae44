"""A decision log and a keeper of previews in memory; they pass the same suites as the real ones."""

from dataclasses import dataclass, field

from steerrec.v1.decision_pb2 import Decision

from service.decisions.log import Page
from service.errors import InvalidRequest, Violation
from service.presets.record import PresetRevision
from service.preview.summary import PREVIEWS_KEPT, PreviewSummary


@dataclass
class MemoryLog:
    """Satisfies `DecisionLog`; a position is the number of a decision."""

    kept: list[Decision] = field(default_factory=list)

    async def append(self, decision: Decision) -> None:
        self.kept.append(decision)

    async def decision(self, decision_id: str) -> Decision | None:
        return next((own for own in self.kept if own.decision_id == decision_id), None)

    async def page(self, count: int, after: str) -> Page:
        if after and not after.isdecimal():
            raise InvalidRequest([Violation("page_token", "is not one that this log gave")])
        end = int(after) if after else len(self.kept)
        start = max(0, end - count)
        return Page(self.kept[start:end][::-1], str(start) if start else "")

    async def aclose(self) -> None:
        pass


@dataclass
class MemoryPreviews:
    """Satisfies `Previews`."""

    kept: dict[str, dict[int, PreviewSummary]] = field(default_factory=dict)

    async def keep(self, record: PresetRevision, summary: PreviewSummary) -> None:
        own = self.kept.setdefault(record.name, {})
        own[record.revision] = summary
        for revision in sorted(own)[:-PREVIEWS_KEPT]:
            del own[revision]

    async def of(self, record: PresetRevision) -> PreviewSummary | None:
        return self.kept.get(record.name, {}).get(record.revision)
