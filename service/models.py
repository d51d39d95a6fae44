"""Which bundles this replica serves: loaded verified, followed as labels move, swapped whole."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from model_store.errors import BundleMissing, ModelStoreError
from model_store.store import Store
from service.directions import ItemDirections
from service.feature_search import FeatureSearch
from service.labels import LabelFaults, Labels, labels_of
from service.metrics import Metrics
from service.presets.compiled import Bench, StoredPresets, compile_presets
from service.presets.conditions import compile_condition
from service.presets.context_types import context_types
from service.refused_bundles import RefusedBundles
from service.settings import PRODUCTION, Settings
from service.snapshot import (
    Current,
    ServedModel,
    Snapshot,
    feature_space_of,
    item_counts_of,
)
from service.state_cache import StateCache
from service.steerable import steerables_of

log = logging.getLogger(__name__)


class ServedModels:
    """Keeps `current` at the bundles that the served labels point to."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        current: Current,
        metrics: Metrics,
    ) -> None:
        """Make it; `load` before anything else.

        Args:
            store: where bundles are.
            settings: which labels to serve, how often to look.
            current: what requests read.
            metrics: where models, presets and refusals are shown.
        """
        self._store = store
        self._settings = settings
        self._current = current
        self._stored = StoredPresets()
        self._metrics = metrics
        self._refused = RefusedBundles()
        """Versions that did not verify, until no label points to them."""
        self._faults = LabelFaults()
        self._refused_presets: set[tuple[str, str, int]] = set()
        """Version, preset and revision of every preset that is refused now."""
        self._cache = Path(settings.data_dir) / "bundles"

    @property
    def label_faults(self) -> Mapping[str, str]:
        """Why a label cannot be followed, by label; of the others nothing."""
        return self._faults.known

    async def load(self) -> None:
        """Loads what `production` points to, then every other served label.

        Raises:
            BundleMissing: nothing was ever promoted to `production`.
            BundleCorrupt: its bundle does not verify.
            StoreUnreadable: the label, or a file of the bundle, cannot be read.
        """
        version = await asyncio.to_thread(self._store.label, PRODUCTION)
        if version is None:
            raise BundleMissing(PRODUCTION)
        served = await asyncio.to_thread(self._loaded, version)
        self._swap(Snapshot({version: served}, {PRODUCTION: version}))
        await self.refresh()

    async def follow(self) -> None:
        """Looks at the labels every `label_poll_s`, for ever."""
        while True:
            await asyncio.sleep(self._settings.label_poll_s)
            await self.refresh()

    async def refresh(self) -> None:
        """Serves what the labels point to now; a bundle that does not verify changes nothing."""
        found = await asyncio.to_thread(self._found)
        wanted = found.versions
        self._refused.keep(set(wanted.values()))
        loaded = await self._missing(set(wanted.values()))
        # presets may have changed while the bundles loaded
        fresh = {version: self._with_presets(served) for version, served in loaded.items()}
        now = self._current.snapshot
        available = {**now.models, **fresh}
        kept = {label: v for label, v in now.labels.items() if label not in found.removed}
        labels = kept | {label: v for label, v in wanted.items() if v in available}
        if labels != now.labels:
            self._swap(Snapshot({v: available[v] for v in labels.values()}, labels))
        self._tell_followed(found)

    def _tell_followed(self, found: Labels) -> None:
        """Shows in the log and in the metrics which labels are followed."""
        refused = {
            label: f"bundle {version} is refused: {why}"
            for label, version in found.versions.items()
            if (why := self._refused.why(version))
        }
        if found.removed:
            log.warning("gone from the store, no longer served: %s", ", ".join(found.removed))
        faults = {**found.faults, **refused}
        self._faults.tell(faults)
        labels = {*self._current.snapshot.labels, *faults}
        self._metrics.show_followed({label: label not in faults for label in labels})

    async def use_presets(self, stored: StoredPresets) -> None:
        """Puts these presets in force, for every served model at once.

        They are compiled in a thread; the models may be others by the time they are.
        """
        self._stored = stored
        compiled: dict[str, ServedModel] = {}
        while missing := self._current.snapshot.models.keys() - compiled.keys():
            models = self._current.snapshot.models
            own = [models[version] for version in missing]
            fresh = await asyncio.to_thread(lambda: [*map(self._with_presets, own)])  # noqa: B023
            compiled |= {served.bundle.version: served for served in fresh}
        now = self._current.snapshot
        if now.models:
            self._swap(Snapshot({v: compiled[v] for v in now.models}, now.labels))

    async def version(self, version: str) -> ServedModel:
        """The version as it is served, or else loaded for the caller alone.

        Raises:
            BundleMissing, BundleCorrupt: it cannot be loaded.
        """
        if (served := self._current.snapshot.models.get(version)) is not None:
            return served
        return await asyncio.to_thread(self._loaded, version)

    def _with_presets(self, served: ServedModel) -> ServedModel:
        presets = compile_presets(self._stored, served.bench, served.presets)
        return replace(served, presets=presets)

    def _found(self) -> Labels:
        """What the served labels point to; labels that never were are left out."""
        return labels_of(self._store, self._settings.labels, self._current.snapshot.labels)

    async def _missing(self, versions: set[str]) -> dict[str, ServedModel]:
        """Those that are not served yet, without those that do not verify."""
        loaded: dict[str, ServedModel] = {}
        for version in versions - self._current.snapshot.models.keys():
            identity = await asyncio.to_thread(self._store.identity, version)
            if not self._refused.is_due(version, identity):
                continue
            try:
                loaded[version] = await asyncio.to_thread(self._loaded, version)
            except Exception as error:  # a bundle that cannot be served changes nothing
                if not isinstance(error, ModelStoreError):
                    log.debug("bundle %s", version, exc_info=error)
                if self._refused.add(version, identity, str(error) or type(error).__name__):
                    self._metrics.bundle_refusals.inc()
            else:
                self._refused.remove(version)
        return loaded

    def _loaded(self, version: str) -> ServedModel:
        bundle = self._store.load(version, self._cache, threads=self._settings.model_threads)
        bench = Bench(
            feature_space_of(bundle),
            bundle.feature_space,
            compile_condition,
            context_types(self._settings.context_types),
        )
        return ServedModel(
            bundle=bundle,
            bench=bench,
            presets=compile_presets(self._stored, bench),
            search=FeatureSearch(bundle),
            item_counts=item_counts_of(bundle),
            steerables=steerables_of(bundle, bench.space),
            directions=ItemDirections(bundle),
            states=StateCache(self._settings.state_cache_bytes, self._metrics.count_lookups),
            loaded_at=datetime.now(UTC),
        )

    def _swap(self, snapshot: Snapshot) -> None:
        if snapshot.labels != self._current.snapshot.labels:
            log.info("serving %s", ", ".join(f"{k} = {v}" for k, v in snapshot.labels.items()))
        self._current.snapshot = snapshot
        self._metrics.show_models(snapshot.labels.items())
        self._metrics.presets_in_force.set(len(snapshot.model(PRODUCTION).presets))
        self._count_refusals(snapshot)

    def _count_refusals(self, snapshot: Snapshot) -> None:
        refused = {
            (version, preset.name, preset.revision): preset.faults
            for version, served in snapshot.models.items()
            for preset in served.presets.refused
        }
        for (version, name, revision), faults in refused.items():
            if (version, name, revision) not in self._refused_presets:
                self._metrics.preset_refusals.inc()
                why = "; ".join(map(str, faults))
                log.warning("%s cannot honour preset %s@%d: %s", version, name, revision, why)
        self._refused_presets = set(refused)
