"""ModelService."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from google.protobuf.timestamp_pb2 import Timestamp
from steerrec.v1 import model_pb2, model_pb2_grpc

from model_store.errors import ModelStoreError
from model_store.manifest import EditPositions, Manifest, Precision, SaeKind, Variant
from model_store.store import Store
from service.errors import ModelStoreAway
from service.rpc.interceptor import Context
from service.rpc.paging import page_size_of, page_token, position_of
from service.settings import PRODUCTION
from service.snapshot import Current

SCOPE = "models"
SAE_KINDS = {
    SaeKind.TOPK: model_pb2.SAE_KIND_TOPK,
    SaeKind.BATCHTOPK: model_pb2.SAE_KIND_BATCHTOPK,
    SaeKind.RELU: model_pb2.SAE_KIND_RELU,
    SaeKind.JUMPRELU: model_pb2.SAE_KIND_JUMPRELU,
}
EDIT_POSITIONS = {
    EditPositions.LAST: model_pb2.EDIT_POSITIONS_LAST,
    EditPositions.ALL: model_pb2.EDIT_POSITIONS_ALL,
}
PRECISIONS = {
    Precision.FLOAT32: model_pb2.PRECISION_FLOAT32,
    Precision.BFLOAT16: model_pb2.PRECISION_BFLOAT16,
    Precision.INT8: model_pb2.PRECISION_INT8,
}

log = logging.getLogger(__name__)


class ModelServicer(model_pb2_grpc.ModelServiceServicer):
    """Shows which bundles are published, and which are served here."""

    def __init__(
        self, store: Store, current: Current, label_faults: Callable[[], Mapping[str, str]]
    ) -> None:
        """Make it.

        Args:
            store: whose bundles are listed.
            current: what is served.
            label_faults: gives why a label cannot be followed, by label.
        """
        self._store = store
        self._current = current
        self._label_faults = label_faults

    async def ListModels(
        self, request: model_pb2.ListModelsRequest, context: Context
    ) -> model_pb2.ListModelsResponse:
        """Published bundles, newest first, a page at a time."""
        size = page_size_of(request.page_size)
        after = position_of(request.page_token, SCOPE)
        try:
            return await asyncio.to_thread(self._page, after, size)
        except ModelStoreError as error:
            log.warning("the models cannot be listed: %s", error)
            raise ModelStoreAway from error

    async def GetServedModel(
        self, request: model_pb2.GetServedModelRequest, context: Context
    ) -> model_pb2.GetServedModelResponse:
        """One served bundle."""
        snapshot = self._current.snapshot
        served = snapshot.model(request.model or PRODUCTION)
        labels = snapshot.labels_of(served.bundle.version)
        load_time = Timestamp()
        load_time.FromDatetime(served.loaded_at)
        return model_pb2.GetServedModelResponse(
            model=model_to_proto(served.bundle.manifest, labels),
            load_time=load_time,
            label_faults=self._label_faults(),
        )

    def _page(self, after: str | None, size: int) -> model_pb2.ListModelsResponse:
        versions = list(self._store.versions())
        # a version that is gone since the page before starts the list again
        start = versions.index(after) + 1 if after in versions else 0
        page = versions[start : start + size]
        labels = self._store.labels(_left_out)
        manifests = [manifest for version in page if (manifest := self._manifest(version))]
        return model_pb2.ListModelsResponse(
            models=[
                model_to_proto(own, sorted(n for n, v in labels.items() if v == own.version))
                for own in manifests
            ],
            next_page_token=page_token(SCOPE, page[-1]) if start + size < len(versions) else "",
        )

    def _manifest(self, version: str) -> Manifest | None:
        try:
            return self._store.manifest(version)
        except ModelStoreError as error:
            log.warning("version %s is left out of the list: %s", version, error)
            return None


def _left_out(error: ModelStoreError) -> None:
    log.warning("a label is left out of the list: %s", error)


def model_to_proto(manifest: Manifest, labels: Sequence[str]) -> model_pb2.Model:
    """What a manifest says, as protobuf."""
    shape, sae = manifest.base_model, manifest.sae
    create_time = Timestamp()
    create_time.FromDatetime(manifest.created_at)
    return model_pb2.Model(
        version=manifest.version,
        labels=labels,
        create_time=create_time,
        data_name=manifest.data.name,
        n_items=shape.n_items,
        d_model=shape.d_model,
        d_sae=sae.d_sae,
        max_seq=shape.max_seq,
        hook_block=manifest.hook_point.block,
        sae_kind=SAE_KINDS[sae.kind],
        edit_positions=EDIT_POSITIONS[manifest.hook_point.positions],
        feature_space=manifest.feature_space,
        metrics=manifest.metrics,
        precision=PRECISIONS[manifest.precision],
        variant=_variant_to_proto(manifest.variant),
    )


def _variant_to_proto(variant: Variant | None) -> model_pb2.Variant | None:
    if variant is None:
        return None
    return model_pb2.Variant(
        base_version=variant.of,
        overlap_at_10=variant.overlap_at_10,
        overlap_at_20=variant.overlap_at_20,
        ndcg_kept_share=variant.ndcg_kept_share,
        n_histories=variant.n_histories,
    )
