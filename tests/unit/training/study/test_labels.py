"""Labels of one half of the users, checked on the other."""

import dataclasses
import json

import numpy as np
import numpy.typing as npt
import pytest

from training.attributes import attribute_table
from training.config import CardsConfig
from training.dataset import Dataset, Item
from training.labels import nameable
from training.study.labels import Half, LabelsStudy, fit, labels_study

N_ITEMS = 24
CONFIG = CardsConfig(min_items=3, min_item_count=1, label_clusters=0)
GENRES = ("Horror", "Comedy", "Drama", "War")


def _read(seed: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng(seed).integers(1, N_ITEMS + 1, 2_000)


def _half(seed: int) -> Half:
    """Feature 0 is a genre, 1 noise, 2 three items of different genres, 3 dead."""
    items = _read(seed)
    noise = np.random.default_rng(seed + 10).random((len(items), 2))
    fires = [items % 4 == 1, noise[:, 0] < 0.2, np.isin(items, [2, 3, 4]), items < 0]
    strength = 1 + noise[:, [1]]
    activations = (np.column_stack(fires) * strength).astype(np.float32)
    return Half(activations, items, np.repeat(np.arange(200), 10))


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    items = tuple(
        Item(f"i{n}", f"Title {n}", {"genre": (GENRES[n % 4],)}) for n in range(1, N_ITEMS + 1)
    )
    return Dataset("few", items, ("a",), (np.arange(1, 25, dtype=np.int32),), "0" * 64)


@pytest.fixture(scope="module")
def study(dataset: Dataset) -> LabelsStudy:
    table = attribute_table(dataset, CONFIG.min_items)
    named = nameable(dataset, table, dataset.histories, CONFIG, seed=0)
    return labels_study(_half(0), _half(1), dataset, named, CONFIG)


def test_a_label_that_means_something_predicts_on_other_users(study: LabelsStudy) -> None:
    genre = study.labels[0]
    assert (genre.label, genre.source) == ("genre: Comedy", "attribute")
    assert genre.roc_auc == pytest.approx(1)
    assert genre.predicted_share is not None
    assert genre.predicted_share > 0.8
    assert genre.is_predicting
    assert genre.is_same


def test_titles_are_checked_as_the_items_that_they_name(study: LabelsStudy) -> None:
    titles = next(label for label in study.labels if label.feature_index == 2)
    assert titles.source == "titles"
    assert titles.roc_auc == pytest.approx(1)


def test_a_label_of_noise_does_not_predict(study: LabelsStudy) -> None:
    noise = next(label for label in study.labels if label.feature_index == 1)
    assert not noise.is_predicting
    assert noise.roc_auc == pytest.approx(0.5, abs=0.05)


def test_dead_features_are_counted_and_have_no_label(study: LabelsStudy) -> None:
    assert (study.n_features, study.n_dead) == (4, 1)
    assert [label.feature_index for label in study.labels] == [0, 1, 2]


def test_sources_are_summed_up_all_first(study: LabelsStudy) -> None:
    assert [(part.source, part.n_features) for part in study.by_source] == [
        ("all", 3),
        ("attribute", 1),
        ("titles", 2),
    ]
    assert study.by_source[0].predicting_share == pytest.approx(2 / 3)


def test_labels_dealt_at_random_predict_less(study: LabelsStudy) -> None:
    overall = study.by_source[0]
    assert overall.mean_roc_auc_by_chance < overall.mean_roc_auc - 0.2


def test_the_error_is_by_users() -> None:
    items = _read(3)
    alike = Half(_half(3).activations, items, np.repeat(np.arange(2), 1_000))
    carried = np.arange(N_ITEMS + 1) % 2 == 0
    by_row = fit(1, carried, alike, alike._replace(users=np.arange(2_000)))
    assert by_row.error == pytest.approx(0.5 / np.sqrt(3 * 2_000) * 2 * 0.7, rel=0.5)
    assert fit(1, carried, alike, alike).error != by_row.error


def test_the_study_is_json(study: LabelsStudy) -> None:
    assert json.loads(json.dumps(dataclasses.asdict(study)))["n_features"] == 4
