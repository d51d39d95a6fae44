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
        """Stream of changes: event, name, revision, author, reason, time. Never trimmed."""
        return f"{{{self.prefix}}}:audit"
