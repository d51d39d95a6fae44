"""What a bundle is: `manifest.json`, its schema and its identity (ADR 0003)."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION: Final = 1
MANIFEST_FILE = "manifest.json"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Share = Annotated[float, Field(ge=0, le=1)]
PLAIN_NAME = r"^[0-9a-zA-Z][0-9a-zA-Z._-]{0,99}$"
"""What never leads out of a folder, whoever wrote it."""
VersionName = Annotated[str, Field(pattern=PLAIN_NAME)]
FileName = Annotated[str, Field(pattern=PLAIN_NAME)]


class SaeKind(StrEnum):
    """How the sparse autoencoder keeps its activations sparse."""

    TOPK = "topk"
    BATCHTOPK = "batchtopk"
    RELU = "relu"
    JUMPRELU = "jumprelu"


class EditPositions(StrEnum):
    """Which positions of a history the edit touches."""

    LAST = "last"
    ALL = "all"


class Precision(StrEnum):
    """How the model's products with trained matrices are stored and computed (ADR 0015)."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    """Stored in bfloat16, computed in float32."""
    INT8 = "int8"
    """Stored and computed in int8."""


class Record(BaseModel):
    """A frozen value read from a bundle; an unknown field is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FileEntry(Record):
    """Identity of one file of a bundle."""

    sha256: Sha256
    """Of the file's bytes."""
    size_bytes: Annotated[int, Field(ge=0)]
    """Length of the file."""


class BaseModelShape(Record):
    """Shape of the sequential transformer."""

    n_items: Annotated[int, Field(ge=1)]
    """Items in the catalogue; item indices are 1..n_items, 0 is padding."""
    max_seq: Annotated[int, Field(ge=1)]
    """Newest history items that the model reads."""
    d_model: Annotated[int, Field(ge=1)]
    """Width of the hidden state."""
    n_blocks: Annotated[int, Field(ge=1)]
    """Transformer blocks."""
    n_heads: Annotated[int, Field(ge=1)]
    """Attention heads of each block."""


class HookPoint(Record):
    """The layer whose output the SAE reads, and the positions that an edit touches."""

    block: Annotated[int, Field(ge=1)]
    """The hidden state is read after this block, from 1 to n_blocks; n_blocks + 1: after the final
    norm, where scores are linear in it."""
    positions: EditPositions
    """LAST or ALL."""


class SaeShape(Record):
    """Shape and kind of the sparse autoencoder."""

    kind: SaeKind
    """Which nonlinearity the encoder graph holds."""
    d_sae: Annotated[int, Field(ge=1)]
    """Number of features."""
    k: Annotated[int, Field(ge=1)] | None = None
    """Active features per position (TOPK), or on average (BATCHTOPK)."""
    threshold: float | None = None
    """Smallest pre-activation that counts (BATCHTOPK); JUMPRELU's are in sae.safetensors."""


class DataIdentity(Record):
    """Which data the bundle was trained on."""

    name: str
    """E.g. "ml-100k"."""
    sha256: Sha256
    """Of the interactions as read: user, item, order."""
    n_users: int
    """Users with a history."""
    n_interactions: int
    """Interactions read."""


class Variant(Record):
    """What a bundle of lower precision was made of, and what it kept."""

    of: VersionName
    """The float32 bundle."""
    histories: str
    """Whose slates were compared, e.g. "validation users of ml-100k"."""
    n_histories: Annotated[int, Field(ge=1)]
    """How many."""
    overlap_at_10: Share
    """Mean share of the float32 bundle's first 10 that are among this one's."""
    overlap_at_20: Share
    """The same of 20."""
    ndcg_kept_share: Annotated[float, Field(ge=0)] | None = None
    """NDCG@10 over the float32 bundle's, unsteered; None: nothing is known of what came next."""


class Manifest(Record):
    """Everything that identifies a bundle. Written last: a folder without it is no bundle."""

    schema_version: Literal[1] = SCHEMA_VERSION
    """Of this file's own schema."""
    version: VersionName
    """Name of this bundle; never reused."""
    created_at: datetime
    """When it was written, UTC."""
    code_commit: str
    """git commit of the code that made it; "unknown" outside a checkout."""
    base_model: BaseModelShape
    """The transformer."""
    hook_point: HookPoint
    """Where the SAE reads and the edit writes."""
    sae: SaeShape
    """The sparse autoencoder."""
    feature_space: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    """First 16 hex digits of sae.safetensors' sha256: bundles that share it share indices."""
    data: DataIdentity
    """What it was trained on."""
    metrics: dict[str, float]
    """Metrics earned, by name; every *_share is 0..1."""
    precision: Annotated[Precision, Field(exclude_if=lambda own: own is Precision.FLOAT32)] = (
        Precision.FLOAT32
    )
    """Of the model's products; not written where it is float32, so that older replicas read it."""
    variant: Annotated[Variant | None, Field(exclude_if=lambda own: own is None)] = None
    """Of a bundle of lower precision, as `Precision`."""
    files: dict[FileName, FileEntry]
    """Every file of the bundle except this one, by name."""
