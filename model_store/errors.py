"""What can be wrong with a bundle or a store.

ModelStoreError
├── BundleCorrupt       a file of a bundle is not what it must be
│   └── GoldenMismatch  the graphs do not give the recorded answers
├── BundleMissing       no published bundle has this version or label
├── LabelMissing        no such label
├── LabelMalformed      a label's name breaks the rule for names
├── NothingToRollBackTo a label has no earlier version
├── StoreUnusable       a root names nothing that can be opened
├── StoreUnreadable     a file or folder of a store cannot be read
├── StoreUnwritable     a file or folder of a store cannot be written
└── VersionExists       a version is published already and is never replaced
"""


class ModelStoreError(Exception):
    """Root of the room's errors."""


class BundleCorrupt(ModelStoreError):
    """A file of a bundle is missing, unexpected, altered or inconsistent."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file}: {reason}")
        self.file = file
        self.reason = reason

    def stored_at(self, place: str) -> None:
        """Have the sentence name the folder of the bundle in its store, and how to go on."""
        self.args = (
            f"{self.file}: {self.reason} (in {place}); copy or publish the bundle again, or"
            " promote another version",
        )


class GoldenMismatch(BundleCorrupt):
    """The graphs of this machine do not answer the golden request as recorded."""


class BundleMissing(ModelStoreError):
    """No published bundle has this version, and no label has this name."""

    def __init__(self, version: str, why: str = "") -> None:
        super().__init__(
            f"bundle {version!r} is not complete: {why}"
            if why
            else f"no bundle or label is named {version!r}"
        )
        self.version = version
        self.why = why
        """Empty: there is nothing of this name."""


class LabelMissing(ModelStoreError):
    """No bundle was ever promoted under this label."""

    def __init__(self, label: str) -> None:
        super().__init__(f"no label is named {label!r}")
        self.label = label


class LabelMalformed(ModelStoreError):
    """A label is 1 to 40 of a-z, 0-9 and "-", beginning with a letter."""

    def __init__(self, label: str) -> None:
        super().__init__(f"{label!r} is no label: 1 to 40 of a-z, 0-9 and '-', first a letter")
        self.label = label


class NothingToRollBackTo(ModelStoreError):
    """The label has pointed to one version only."""

    def __init__(self, label: str, version: str) -> None:
        super().__init__(f"label {label!r} has pointed to {version!r} only")
        self.label = label
        self.version = version


class StoreUnusable(ModelStoreError):
    """The root of a store names nothing that can be opened."""

    def __init__(self, root: str, why: str) -> None:
        super().__init__(f"model store {root or 'of no name'}: {why}")
        self.root = root


class StoreUnreadable(ModelStoreError):
    """A file or folder of a store cannot be read, whether it is there or not."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path} cannot be read: {why}")
        self.path = path


class StoreUnwritable(ModelStoreError):
    """A file or folder of a store cannot be written; what was there stays as it was."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path} cannot be written: {why}")
        self.path = path


class VersionExists(ModelStoreError):
    """A published version is immutable: publish under a new name."""

    def __init__(self, version: str) -> None:
        super().__init__(f"version {version!r} is published already")
        self.version = version
