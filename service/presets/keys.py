"""Every Redis key, with its value's format and lifetime.

All share the hash tag `{<prefix>}`, so that on a Cluster they live in one slot and one script can
write them together. None expires: presets and their history are kept.
"""

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

PREFIX = "steerrec"


class WhenGone(Enum):
    """What it means that a key, or a part of it, is gone."""

    LOST_DATA = "the store lost data: nothing is written until an operator resolves it"
    WRITTEN_AGAIN = "nothing: the running replicas write it again"
    FORGOTTEN = "nothing for presets: old entries are dropped in any case"


class Keys(NamedTuple):
    """The keys of one deployment."""

    prefix: str = PREFIX

    @property
    def heads(self) -> str:
        """Hash: preset name -> `record.Head` as JSON. Archived presets stay in it."""
        return f"{{{self.prefix}}}:heads"

    def revisions(self, name: str) -> str:
        """Hash: revision number -> the `Preset` message as JSON. Append-only."""
        return f"{{{self.prefix}}}:revisions:{name}"

    @property
    def audit(self) -> str:
        """Stream of changes: the fields of `audit.AuditEvent`, each as text, and `counted`, 1
        where the census was written with the event. Never trimmed."""
        return f"{{{self.prefix}}}:audit"

    @property
    def audit_tip(self) -> str:
        """String: sequence and hash of the newest event, as `audit.Tip` has them as text."""
        return f"{{{self.prefix}}}:audit-tip"

    @property
    def census(self) -> str:
        """Hash: what the other keys hold at least, written with every change: `tip`, `events` and
        `last` (length and newest id of the audit stream), `heads` (their number), `fields` (of
        the census itself), and for each preset `etag:<name>`, `revisions:<name>` and
        `previews:<name>` (numbers of entries)."""
        return f"{{{self.prefix}}}:census"

    @property
    def seen(self) -> str:
        """String: the newest tip that any replica served, as text. A replica that starts with an
        empty folder compares it with what the store has."""
        return f"{{{self.prefix}}}:seen"

    def previews(self, name: str) -> str:
        """Hash: revision number -> `preview.summary.PreviewSummary` as JSON, the last preview of
        each. Of the newest `PREVIEWS_KEPT` revisions that were previewed; one replaces another.
        """
        return f"{{{self.prefix}}}:previews:{name}"

    @property
    def decisions(self) -> str:
        """Stream of sampled decisions: id, and the `Decision` message as JSON. Trimmed to
        `STEERREC_DECISION_KEEP`, give or take a node of the stream."""
        return f"{{{self.prefix}}}:decisions"

    @property
    def replicas(self) -> str:
        """Hash: replica id -> `<Redis time in ms>:<ReplicaStatus message as base64>`. An entry
        goes once its replica was silent for `replicas.FORGET_S`."""
        return f"{{{self.prefix}}}:replicas"

    @property
    def of_chain(self) -> tuple[str, ...]:
        """As the scripts of the chain take them: heads, audit, tip, census, seen."""
        return self.heads, self.audit, self.audit_tip, self.census, self.seen

    def of_presets(self, names: Iterable[str]) -> tuple[str, ...]:
        """Revisions and previews of each preset."""
        return tuple(key for name in names for key in (self.revisions(name), self.previews(name)))


WHEN_GONE = {
    "heads": WhenGone.LOST_DATA,
    "revisions": WhenGone.LOST_DATA,
    "audit": WhenGone.LOST_DATA,
    "audit_tip": WhenGone.LOST_DATA,
    "census": WhenGone.LOST_DATA,
    "previews": WhenGone.LOST_DATA,
    "seen": WhenGone.WRITTEN_AGAIN,
    "replicas": WhenGone.WRITTEN_AGAIN,
    "decisions": WhenGone.FORGOTTEN,
}
"""By the key's name in `Keys`; the tests delete each in turn."""
