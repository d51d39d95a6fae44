"""Data to published bundle, one step after the other; what is done already is not done again.

    base_model -> sae -> cards -> metrics -> bundle -> publish

Each step keeps its output in the work folder under a fingerprint of everything it depends on, and
asks for the step before it.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import torch
from pydantic import BaseModel

from model_store.cards import CARDS_FILE, FeatureCard, FeatureCards
from model_store.files import BASE_MODEL_FILE, SAE_FILE
from model_store.manifest import DataIdentity, Manifest, Precision, SaeShape
from model_store.seal import seal
from model_store.store import Store
from training.attributes import attribute_table
from training.bundle_files import load_model, load_sae, save_model, save_sae, write_bundle_files
from training.cards import feature_cards, readings
from training.checkpoint import load_checkpoint
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
from training.groups import attribute_groups, feature_vectors
from training.imitation import effects
from training.labeller import labelled_by_model
from training.labeller_endpoint import labeller_key
from training.labels import nameable
from training.progress import Report, silent
from training.sae import Sae
from training.saelens import write_saelens
from training.sasrec import Sasrec
from training.split import LeaveOneOut, leave_one_out
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

BASE_REVISION = 2
"""Raised when training the base model gives something else by the same settings: it is redone."""
SAE_REVISION = 2
"""The same for the SAE."""
CARDS_REVISION = 4
"""The same for feature cards, groups and effects."""
CHECKPOINT_FILE = "checkpoint.pt"
SAE_SHAPE_FILE = "shape.json"
METRICS_FILE = "metrics.json"
LABELLER_FOLDER = "labeller"
"""Of the labeller's answers, whatever the cards."""
PUBLISHED_FILE = "published.json"
PRODUCTION = "production"


class Run:
    """One config on one data set in one work folder. Steps may be asked for in any order."""

    def __init__(
        self, config: TrainConfig, dataset: Dataset, work_dir: Path, report: Report = silent
    ) -> None:
        torch.set_num_threads(config.threads)
        self.config = config
        self.dataset = dataset
        self.work_dir = work_dir
        self.report = report
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
        """Training, validation and test parts."""
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
        return {"base": self._base_key, "sae": self._sae_key, "cards": self._cards_key}

    @cached_property
    def base_model(self) -> Sasrec:
        """The trained transformer."""
        folder = self._folder("base", self._base_key)
        path = folder / BASE_MODEL_FILE
        if not path.exists():
            with torch.enable_grad():  # whoever asks may be measuring
                model = train_base(self._base_trainer(), folder / CHECKPOINT_FILE, self.report)
            _in_one_step(path, lambda written: save_model(written, model))
        shape = self.config.base.shape(self.dataset.n_items)
        return load_model(path, shape).to(self.device)

    @property
    def base_course(self) -> Course:
        """How the base model's training went."""
        _ = self.base_model
        state = load_checkpoint(self._folder("base", self._base_key) / CHECKPOINT_FILE)
        return Course(**state["course"]) if state else Course()

    @cached_property
    def sae(self) -> Sae:
        """The trained autoencoder, in the hidden state's own units."""
        folder = self._folder("sae", self._sae_key)
        weights, shape = folder / SAE_FILE, folder / SAE_SHAPE_FILE
        if not weights.exists():
            with torch.enable_grad():
                sae = train_sae(self._sae_trainer(), folder / CHECKPOINT_FILE, self.report)
            _in_one_step(shape, lambda written: written.write_text(sae.shape.model_dump_json()))
            _in_one_step(weights, lambda written: save_sae(written, sae))
        return load_sae(weights, _read(SaeShape, shape)).to(self.device)

    @property
    def sae_train_s(self) -> float:
        """Wall seconds that training the SAE took, over all its interruptions."""
        checkpoint = load_checkpoint(self._folder("sae", self._sae_key) / CHECKPOINT_FILE)
        return float(checkpoint["seconds"]) if checkpoint else 0.0

    @cached_property
    def cards(self) -> FeatureCards:
        """Feature cards and attribute groups."""
        path = self._folder("cards", self._cards_key) / CARDS_FILE
        if not path.exists():
            cards = self._measured_cards()
            _in_one_step(path, lambda written: written.write_text(cards.model_dump_json()))
        return _read(FeatureCards, path)

    @cached_property
    def metrics(self) -> dict[str, float]:
        """What base model and SAE are worth; see docs/training.md for each name."""
        path = self._folder("metrics", self._sae_key) / METRICS_FILE
        if not path.exists():
            found = base_metrics(self.base_model, self.split, self.device)
            found |= sae_metrics(self.base_model, self.sae, self.block, self.split, self.device)
            _in_one_step(path, lambda written: written.write_text(json.dumps(found)))
        loaded: dict[str, float] = json.loads(path.read_text())
        return loaded

    @cached_property
    def saelens(self) -> Path:
        """Folder with the autoencoder in the files of SAELens."""
        folder = self._folder("saelens", self._sae_key)
        origin = {
            "model_name": "steerrec.sasrec",
            "hook_name": f"block_{self.block}",
            "dataset_path": self.dataset.name,
        }
        write_saelens(folder, self.sae, origin)
        return folder

    @cached_property
    def bundle(self) -> Path:
        """Folder with every file of the bundle but the manifest."""
        folder = self._folder("bundle", self._cards_key)
        if not any(folder.iterdir()):
            written = folder.with_suffix(".writing")
            shutil.rmtree(written, ignore_errors=True)
            written.mkdir()
            parts = (self.base_model, self.sae, self.block, self.cards)
            write_bundle_files(written, *parts, self.dataset, self.split.train)
            os.replace(written, folder)
        return folder

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
        store = Store(store_url)
        record = self._folder("published", self._cards_key) / PUBLISHED_FILE
        known = json.loads(record.read_text()) if record.exists() else {}
        version = known.get(store_url)
        if version not in store.versions():
            manifest = self.manifest()
            store.publish(self.bundle, manifest)
            version = manifest.version
            record.write_text(json.dumps({**known, store_url: version}))
        if promote and store.labels().get(PRODUCTION) != version:
            store.promote(PRODUCTION, version)
        self._publish_variants(store, str(version))
        return str(version)

    def _publish_variants(self, store: Store, version: str) -> None:
        """Those of the config that are not in the store yet."""
        there = variants_of(store, version) if self.config.variants else {}
        for wanted in self.config.variants:
            if wanted not in there:
                publish_variant(store, version, Precision(wanted), dataset=self.dataset)

    def _base_trainer(self) -> BaseTrainer:
        return BaseTrainer(
            self.config.base,
            self.split,
            self.dataset.n_items,
            seed=self.config.seed,
            device=self.device,
        )

    def _sae_trainer(self) -> SaeTrainer:
        return SaeTrainer(self.config.sae, self._learned_from, seed=self.config.sae_seed)

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
        parts = list(hidden_states(model, train, self.block, device=self.device))
        return torch.cat([h for h, _ in parts]), torch.cat([items for _, items in parts])

    def _measured_cards(self) -> FeatureCards:
        settings, seed = self.config.cards, self.config.seed
        table = attribute_table(self.dataset, settings.min_items)
        read = readings(
            self.sae, *self.read_positions, max_positions=settings.max_positions, seed=seed
        )
        named = nameable(self.dataset, table, self.split.train, settings, seed=seed)
        features = self._by_model(feature_cards(read, self.dataset, named, settings, self.report))
        choosers = self._by_validation(self.cohorts.choosers[: settings.effect_users])
        vectors = feature_vectors(self.sae, features, settings.effect_dose)
        measured = effects(choosers, vectors, table.carries, self.report)
        groups = attribute_groups(measured, table, settings)
        cards = FeatureCards(features=features, groups=groups)
        most = max(settings.effects.users, settings.effects.group_users)
        rows = self.cohorts.carded[:most]
        if not len(rows):
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

    def _folder(self, step: str, key: str) -> Path:
        folder = self.work_dir / f"{step}-{key}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @cached_property
    def _base_key(self) -> str:
        start = [BASE_REVISION, self.dataset.sha256, self.config.seed]
        return _fingerprint(*start, _settings(self.config.base))

    @cached_property
    def _sae_key(self) -> str:
        return _fingerprint(SAE_REVISION, self._base_key, _sae_settings(self.config.sae))

    @cached_property
    def _cards_key(self) -> str:
        items = [[i.item_id, i.title, dict(i.attributes)] for i in self.dataset.items]
        parts: list[object] = [CARDS_REVISION, self._sae_key, _settings(self.config.cards), items]
        if labeller := self.config.labeller:
            parts += [labeller_key(labeller), labeller.max_features]
        return _fingerprint(*parts)


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


def _in_one_step(path: Path, write: Callable[[Path], object]) -> None:
    """Writes a file beside its place and moves it there: it is whole or absent."""
    written = path.with_name(f".{path.name}")
    write(written)
    os.replace(written, path)


Parsed = TypeVar("Parsed", bound=BaseModel)


def _read(model: type[Parsed], path: Path) -> Parsed:
    return model.model_validate_json(path.read_bytes())
