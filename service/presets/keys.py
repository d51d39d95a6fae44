"""Every Redis key, with its value's format and lifetime.

All share the hash tag `{<prefix>}`, so that on a Cluster they live in one slot and one script can
write them together. None expires: presets and their history are kept.
"""

from typing import NamedTuple

PREFIX = "steerrec"


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
        """Stream of changes: the fields of `audit.AuditEvent`, each as text. Never trimmed."""
        return f"{{{self.prefix}}}:audit"

    @property
    def audit_tip(self) -> str:
        """String: sequence and hash of the newest event, as `audit.Tip` has them as text."""
        return f"{{{self.prefix}}}:audit-tip"

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
