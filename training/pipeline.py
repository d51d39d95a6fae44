"""Data to published bundle, one step after the other; what is done already is not done again.

    base_model -> sae -> cards -> metrics -> bundle -> publish

Each step keeps its output in the work folder under a fingerprint of everything it depends on, and
asks for the step before it.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import torch
from pydantic import BaseModel, TypeAdapter, ValidationError

from model_store.cards import CARDS_FILE, FeatureCard, FeatureCards
from model_store.errors import BundleCorrupt
from model_store.files import BASE_MODEL_FILE, SAE_FILE
from model_store.manifest import DataIdentity, Manifest, Precision, SaeShape
from model_store.seal import seal
from model_store.store import Store
from training.attributes import attribute_table
from training.bundle_files import (
    load_model,
    load_sae,
    write_bundle_files,
    writer_of_model,
    writer_of_sae,
    writer_of_text,
)
from training.cards import feature_cards, readings
from training.code_commit import code_commit
from training.config import SaeConfig, TrainConfig
from training.dataset import Dataset
from training.dosing import Subjects
from training.effect_cards import with_effects
from training.evaluate import (
    base_metrics,
    hidden_states,
    newest_hidden_states,
    sae_metrics,
    sampled_rows,
)
from training.feasibility import refuse_absent, refuse_too_large, refuse_too_little
from training.groups import attribute_groups, feature_vectors
from training.imitation import effects
from training.labeller import labelled_by_model
from training.labeller_endpoint import labeller_key
from training.labels import nameable
from training.outputs import Writers
from training.progress import Report, part_of, silent
from training.sae import Sae
from training.saelens import write_saelens
from training.sasrec import Sasrec
from training.split import LeaveOneOut, leave_one_out
from training.storage import OTHER_WORK_FOLDER, alone, replace_text, storage_errors
from training.study.audience import Audience
from training.study.cohorts import (
    Cohorts,
    Rows,
    audience_at_test,
    audience_at_validation,
    cohorts,
)
from training.study.outcomes import Yardstick
from training.train_base import BaseTrainer, Course, train_base
from training.train_sae import SaeTrainer, train_sae
from training.trial import TrialSettings
from training.variant import publish_variant, variants_of
from training.work_folder import Step, WorkFolder

BASE_REVISION = 2
"""Raised when training the base model gives something else by the same settings: it is redone."""
SAE_REVISION = 2
"""The same for the SAE."""
CARDS_REVISION = 4
"""The same for feature cards, groups and effects."""
SAE_SHAPE_FILE = "shape.json"
METRICS_FILE = "metrics.json"
LABELLER_FOLDER = "labeller"
"""Of the labeller's answers, whatever the cards."""
PUBLISHED_FILE = "published.json"
PRODUCTION = "production"
OTHER_STORE = "name another store with --store"
FIGURES = TypeAdapter(dict[str, float])
PUBLISHED = TypeAdapter(dict[str, str])


class Run:
    """One config on one data set in one work folder. Steps may be asked for in any order.

    Two processes in one folder disturb each other: `train` and the command line take a lock.
    """

    def __init__(
        self, config: TrainConfig, dataset: Dataset, work_dir: Path, report: Report = silent
    ) -> None:
        """Nothing is trained yet.

        Raises:
            DeviceAbsent: this machine has not the config's device.
        """
        refuse_absent(config.device)
        torch.set_num_threads(config.threads)
        self.config = config
        self.dataset = dataset
        self.work_dir = work_dir
        self.report = report
        self._work = WorkFolder(work_dir)
        self.device = torch.device(config.device)
        self._reads_alike: Run | None = None

    def with_sae(self, sae: SaeConfig) -> "Run":
        """This run with another SAE; hidden states of one hook are read once for both.

        Raises:
            ValidationError: its hook does not fit the base model.
        """
        config = TrainConfig.model_validate(dict(self.config) | {"sae": sae})
        other = Run(config, self.dataset, self.work_dir, self.report)
        if other.block == self.block:
            other._reads_alike = self
        return other

    @cached_property
    def split(self) -> LeaveOneOut:
        """Training, validation and test parts.

        Raises:
            TooLittleData: a part would be empty.
        """
        refuse_too_little(self.dataset)
        return leave_one_out(self.dataset)

    @cached_property
    def cohorts(self) -> Cohorts:
        """Who chooses, whom cards are measured on, and who is promised to."""
        return cohorts(self.split, seed=self.config.seed)

    @property
    def block(self) -> int:
        """The block below the hook."""
        return self.config.hook_point.block

    @property
    def keys(self) -> Mapping[str, str]:
        """Fingerprints of base model, SAE and cards: for whoever keeps what is measured of them."""
        steps = {"base": self._base_step, "sae": self._sae_step, "cards": self._cards_step}
        return {name: step.key for name, step in steps.items()}

    @property
    def made(self) -> frozenset[str]:
        """Which of base, sae, cards and metrics are in the work folder."""
        steps = (self._base_step, self._sae_step, self._cards_step, self._metrics_step)
        return frozenset(step.name for step in steps if self._work.has(step))

    @property
    def epochs_done(self) -> int:
        """Epochs after which the base model's training goes on."""
        state = self._work.last_state(self._base_step)
        return Course(**state["course"]).epoch if state else 0

    @cached_property
    def base_model(self) -> Sasrec:
        """The trained transformer."""
        step, shape = self._base_step, self.config.base.shape(self.dataset.n_items)
        model = self._work.kept(
            step,
            lambda: {BASE_MODEL_FILE: writer_of_model(self._work.trained(step, self._train_base))},
            lambda folder: load_model(folder / BASE_MODEL_FILE, shape),
        )
        return model.to(self.device)

    @property
    def base_course(self) -> Course:
        """How the base model's training went; all 0 where its checkpoint is gone or damaged."""
        _ = self.base_model
        state = self._work.last_state(self._base_step)
        return Course(**state["course"]) if state else Course()

    @cached_property
    def sae(self) -> Sae:
        """The trained autoencoder, in the hidden state's own units."""
        step = self._sae_step
        sae = self._work.kept(
            step,
            lambda: _sae_writers(self._work.trained(step, self._train_sae)),
            lambda folder: load_sae(folder / SAE_FILE, _read(SaeShape, folder / SAE_SHAPE_FILE)),
        )
        return sae.to(self.device)

    @property
    def sae_train_s(self) -> float:
        """Wall seconds that training the SAE took, over all its interruptions; 0: not known."""
        state = self._work.last_state(self._sae_step)
        return float(state["seconds"]) if state else 0.0

    @cached_property
    def cards(self) -> FeatureCards:
        """Feature cards and attribute groups."""
        return self._work.kept(
            self._cards_step,
            lambda: {CARDS_FILE: writer_of_text(self._measured_cards().model_dump_json())},
            lambda folder: _read(FeatureCards, folder / CARDS_FILE),
        )

    @cached_property
    def metrics(self) -> dict[str, float]:
        """What base model and SAE are worth; see docs/training.md for each name."""
        return self._work.kept(
            self._metrics_step,
            lambda: {METRICS_FILE: writer_of_text(json.dumps(self._measured_metrics()))},
            lambda folder: FIGURES.validate_json((folder / METRICS_FILE).read_bytes()),
        )

    @cached_property
    def saelens(self) -> Path:
        """Folder with the autoencoder in the files of SAELens."""
        origin = {
            "model_name": "steerrec.sasrec",
            "hook_name": f"block_{self.block}",
            "dataset_path": self.dataset.name,
        }
        with self._work.errors():
            folder = self._work.made_folder(Step("saelens", self._sae_step.key))
            write_saelens(folder, self.sae, origin)
        return folder

    @cached_property
    def bundle(self) -> Path:
        """Folder with every file of the bundle but the manifest."""
        made_of = (self._base_step, self._sae_step, self._cards_step)
        step = Step("bundle", self._cards_step.key, (), made_of)
        return self._work.kept_folder(step, self._write_bundle)

    def manifest(self) -> Manifest:
        """A new manifest of the bundle's files."""
        return seal(
            self.bundle,
            base_model=self.base_model.shape,
            hook_point=self.config.hook_point,
            sae=self.sae.shape,
            data=self._data_identity(),
            metrics=self.metrics,
            code_commit=code_commit(),
        )

    def publish(self, store_url: str, *, promote: bool = True) -> str:
        """The version under which the bundle is in the store; published unless it is there.

        Args:
            store_url: root of a model store.
            promote: point the label `production` at it.

        Raises:
            VariantRefused: a variant that the config wants keeps too little; the bundle stays.
        """
        with storage_errors(store_url, OTHER_STORE):
            store = Store(store_url)
            version = self._published(store)
            if promote and store.labels().get(PRODUCTION) != version:
                store.promote(PRODUCTION, version)
            self._publish_variants(store, version)
        return version

    def _published(self, store: Store) -> str:
        """The bundle's version in the store: the one that is there, or a new one."""
        with self._work.errors():
            folder = self._work.made_folder(Step("published", self._cards_step.key))
            record = folder / PUBLISHED_FILE
            known = _read_published(record)
        there = store.versions()
        if (version := known.get(store.root)) in there:
            return str(version)
        manifest = self.manifest()
        version = _same_bundle(store, manifest)
        if version is None:
            store.publish(self.bundle, manifest)
            version = manifest.version
        with self._work.errors():
            replace_text(record, json.dumps({**known, store.root: version}))
        return version

    def _publish_variants(self, store: Store, version: str) -> None:
        """Those of the config that are not in the store yet."""
        there = variants_of(store, version) if self.config.variants else {}
        for wanted in dict.fromkeys(self.config.variants):
            if wanted not in there:
                publish_variant(store, version, Precision(wanted), dataset=self.dataset)

    def _train_base(self, checkpoint: Path) -> Sasrec:
        with torch.enable_grad():  # whoever asks may be measuring
            return train_base(self.base_trainer(), checkpoint, self.report)

    def _train_sae(self, checkpoint: Path) -> Sae:
        with torch.enable_grad():
            return train_sae(self._sae_trainer(), checkpoint, self.report)

    def base_trainer(self) -> BaseTrainer:
        """Of the base model, at its start.

        Raises:
            TooLarge: its weights do not fit into memory.
        """
        refuse_too_large(self.config, self.dataset)
        return BaseTrainer(
            self.config.base,
            self.split,
            self.dataset.n_items,
            seed=self.config.seed,
            device=self.device,
        )

    def _sae_trainer(self) -> SaeTrainer:
        return SaeTrainer(self.config.sae, self._learned_from, seed=self.config.sae_seed)

    def _write_bundle(self, folder: Path) -> None:
        parts = (self.base_model, self.sae, self.block, self.cards)
        self.report("export", 0, 1)
        write_bundle_files(folder, *parts, self.dataset, self.split.train)
        self.report("export", 1, 1)

    def _measured_metrics(self) -> dict[str, float]:
        model, sae, split, device = self.base_model, self.sae, self.split, self.device
        of_base, of_sae = (part_of(self.report, number, 2) for number in range(2))
        found = base_metrics(model, split, device, of_base)
        return found | sae_metrics(model, sae, self.block, split, device, of_sae)

    @cached_property
    def _learned_from(self) -> torch.Tensor:
        """Hidden states [rows, d_model] that the SAE learns from."""
        other, settings = self._reads_alike, self.config.sae
        if other and _draws(other.config.sae) == _draws(settings):
            return other._learned_from
        newest = newest_hidden_states(
            self.base_model,
            self.split.train,
            self.block,
            at_most=settings.newest_positions,
            seed=self.config.seed,
            device=self.device,
        )
        read, _ = self.read_positions
        drawn = sampled_rows(read, settings.max_positions or len(read), self.config.seed)
        return torch.cat([drawn, newest])

    @cached_property
    def read_positions(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden states [rows, d_model] of the training histories, and the item read at each."""
        if self._reads_alike:
            return self._reads_alike.read_positions
        model, train = self.base_model, self.split.train
        return hidden_states(model, train, self.block, device=self.device, report=self.report)

    def _measured_cards(self) -> FeatureCards:
        settings, seed = self.config.cards.sized(self.dataset.n_items), self.config.seed
        table = attribute_table(self.dataset, settings.min_items)
        read = readings(
            self.sae, *self.read_positions, max_positions=settings.max_positions, seed=seed
        )
        self.report("clusters of items", 0, 1)
        named = nameable(self.dataset, table, self.split.train, settings, seed=seed)
        self.report("clusters of items", 1, 1)
        features = self._by_model(feature_cards(read, self.dataset, named, settings, self.report))
        choosers = self._by_validation(self.cohorts.choosers[: settings.effect_users])
        vectors = feature_vectors(self.sae, features, settings.effect_dose)
        measured = effects(choosers, vectors, table.carries, self.report)
        groups = attribute_groups(measured, table, settings)
        cards = FeatureCards(features=features, groups=groups)
        group_users = settings.effects.group_users_for(self.dataset.n_items)
        most = max(settings.effects.users, group_users)
        rows = self.cohorts.carded[:most]
        if not len(rows) or not table.values:
            return cards
        positions = self.config.hook_point.positions
        people = audience_at_test(self.base_model, self.block, self.split, rows)
        carded = Subjects.of(people, self.sae, positions, features)
        tried = TrialSettings(table, Yardstick.of(table, self.split.train), settings.effects, seed)
        return with_effects(cards, measured, carded, tried, self.report)

    def _by_model(self, features: tuple[FeatureCard, ...]) -> tuple[FeatureCard, ...]:
        """The features, labelled by the language model where there is one."""
        config = self.config.labeller
        if config is None:
            return features
        kept = self.work_dir / LABELLER_FOLDER
        return labelled_by_model(features, self.dataset, config, kept, self.report).cards

    def _by_validation(self, rows: Rows) -> Audience:
        return audience_at_validation(self.base_model, self.block, self.split, rows)

    def _data_identity(self) -> DataIdentity:
        return DataIdentity(
            name=self.dataset.name,
            sha256=self.dataset.sha256,
            n_users=len(self.dataset.user_ids),
            n_interactions=self.dataset.n_interactions,
        )

    @cached_property
    def _base_step(self) -> Step:
        start = [BASE_REVISION, self.dataset.sha256, self.config.seed]
        sampled = {"negatives": self.config.base.negatives_for(self.dataset.n_items)}
        key = _fingerprint(*start, self.config.base.model_dump(mode="json") | sampled)
        return Step("base", key, (BASE_MODEL_FILE,))

    @cached_property
    def _sae_step(self) -> Step:
        key = _fingerprint(SAE_REVISION, self._base_step.key, _sae_settings(self.config.sae))
        return Step("sae", key, (SAE_SHAPE_FILE, SAE_FILE), (self._base_step,))

    @cached_property
    def _metrics_step(self) -> Step:
        made_of = (self._base_step, self._sae_step)
        return Step("metrics", self._sae_step.key, (METRICS_FILE,), made_of)

    @cached_property
    def _cards_step(self) -> Step:
        items = [[i.item_id, i.title, dict(i.attributes)] for i in self.dataset.items]
        settings = _settings(self.config.cards.sized(self.dataset.n_items))
        parts: list[object] = [CARDS_REVISION, self._sae_step.key, settings, items]
        if labeller := self.config.labeller:
            parts += [labeller_key(labeller), labeller.max_features]
        return Step("cards", _fingerprint(*parts), (CARDS_FILE,), (self._base_step, self._sae_step))


def train(
    config: TrainConfig,
    dataset: Dataset,
    *,
    work_dir: Path,
    store_url: str,
    promote: bool = True,
    report: Report = silent,
) -> str:
    """The version of the bundle that the config makes of the data; goes on where it stopped."""
    with alone(work_dir, "training", OTHER_WORK_FOLDER):
        return Run(config, dataset, work_dir, report).publish(store_url, promote=promote)


def _sae_settings(settings: SaeConfig) -> object:
    """What an autoencoder depends on; a setting that came later is left out where it is unset, so
    that those trained before it still count."""
    unset = {"max_positions"} if settings.max_positions is None else set()
    return settings.model_dump(mode="json", exclude=unset)


def _draws(settings: SaeConfig) -> tuple[int | None, int]:
    """What decides which hidden states of a hook are learned from."""
    return settings.max_positions, settings.newest_positions


def _settings(settings: BaseModel) -> object:
    return settings.model_dump(mode="json")


def _fingerprint(*parts: object) -> str:
    """16 hex digits that change with any part."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _sae_writers(sae: Sae) -> Writers:
    shape = sae.shape.model_dump_json()
    return {SAE_SHAPE_FILE: writer_of_text(shape), SAE_FILE: writer_of_sae(sae)}


def _read_published(path: Path) -> dict[str, str]:
    """Versions by store; none where the record is absent or damaged: bundles are compared then."""
    try:
        return PUBLISHED.validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return {}


def _same_bundle(store: Store, manifest: Manifest) -> str | None:
    """The version of the store that is the same bundle; None: there is none."""
    for version in store.versions():
        try:
            known = store.manifest(version)
        except BundleCorrupt:
            continue
        same = (known.files, known.hook_point, known.data)
        if same == (manifest.files, manifest.hook_point, manifest.data):
            return version
    return None


Parsed = TypeVar("Parsed", bound=BaseModel)


def _read(model: type[Parsed], path: Path) -> Parsed:
    return model.model_validate_json(path.read_bytes())
