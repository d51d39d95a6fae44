"""Subcommands that need no service: bundles of a store, preset files, settings."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.synthetic import Workload, publish
from model_store.store import Store
from tests.bundles import TINY_VERSION, tiny_bundle
from tests.e2e.cli_runs import Finished, steerrec
from tests.tiny_model import TinyModel

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with two bundles; `production` points to the newer one."""
    folder = tmp_path_factory.mktemp("two")
    store = Store(str(folder / "store"))
    for day, version in enumerate(("old", "new"), start=1):
        manifest = tiny_bundle(
            folder / version,
            TinyModel(seed=day),
            version=version,
            created_at=datetime(2026, 1, day, tzinfo=UTC),
        )
        store.publish(folder / version, manifest)
        store.promote("production", version)
    return store


def checked(folder: Path, rule: str, *words: str) -> Finished:
    path = folder / "preset.yaml"
    path.write_text(f"name: a\nrules:\n  - {rule}\n")
    return steerrec("preset", "check", str(path), *words)


def test_bundles_are_listed_newest_first(two_versions: Store) -> None:
    listed = steerrec("models", "list", "--store", two_versions.root, "--json").json
    assert [bundle["version"] for bundle in listed] == ["new", "old"]


def test_a_bundle_is_shown_with_its_metrics(tiny_store: Store) -> None:
    assert "ndcg_at_10" in steerrec("models", "show", "--store", tiny_store.root).out


def test_a_version_that_does_not_exist_exits_with_not_found(tiny_store: Store) -> None:
    assert steerrec("models", "show", "v9", "--store", tiny_store.root).code == 4


def test_a_label_is_promoted(two_versions: Store) -> None:
    steerrec("models", "promote", "old", "canary", "--store", two_versions.root)
    assert two_versions.labels()["canary"] == "old"


def test_a_rollback_points_to_the_version_before(two_versions: Store) -> None:
    two_versions.promote("staging", "old")
    two_versions.promote("staging", "new")
    done = steerrec("models", "rollback", "staging", "--store", two_versions.root, "--json")
    assert done.json == {"label": "staging", "version": "old"}


def test_a_rollback_to_nothing_is_refused(tiny_store: Store) -> None:
    assert steerrec("models", "rollback", "--store", tiny_store.root).code == 1


def test_a_sound_preset_passes_without_a_bundle(tmp_path: Path) -> None:
    assert checked(tmp_path, "{attribute: genre=Nothing, operation: ADD, value: 1}").code == 0


def test_a_bad_preset_is_refused_with_file_and_line(tmp_path: Path) -> None:
    refused = checked(tmp_path, "{attribute: genre=Horror, operation: ADD, valeu: 1}")
    assert 'preset.yaml, line 3: rules[0].valeu: unknown key; did you mean "value"?' in refused.err


def test_an_attribute_that_the_bundle_lacks_is_refused(tmp_path: Path, tiny_store: Store) -> None:
    rule = "{attribute: genre=Horor, operation: ADD, value: 1}"
    refused = checked(tmp_path, rule, "--store", tiny_store.root)
    assert "rules[0].attribute: no feature group for genre=Horor; did you mean" in refused.err


def test_a_check_names_the_bundle_it_looked_at(tmp_path: Path, tiny_store: Store) -> None:
    rule = "{attribute: genre=Horror, operation: ADD, value: 1}"
    report = checked(tmp_path, rule, "--store", tiny_store.root, "--json").json
    assert report[0]["against"] == [f"bundle {TINY_VERSION}"]


def test_rules_that_contradict_each_other_are_refused(tmp_path: Path, tiny_store: Store) -> None:
    rules = "{feature: 1, operation: SET, value: 1}\n  - {feature: 1, operation: SET, value: 2}"
    assert checked(tmp_path, rules, "--store", tiny_store.root).code == 1


def test_serving_an_empty_store_exits_with_not_found(tmp_path: Path) -> None:
    served = steerrec("serve", "--store", str(tmp_path / "none"), "--data-dir", str(tmp_path))
    assert (served.code, "`steerrec train` makes one" in served.err) == (4, True)


def test_a_bundle_that_is_not_complete_is_told_as_that_and_not_as_an_empty_store(
    tmp_path: Path,
) -> None:
    store = Store(str(tmp_path / "store"))
    store.publish(tmp_path / "one", tiny_bundle(tmp_path / "one", version="one"))
    store.promote("production", "one")
    Path(store.root, "bundles/one/manifest.json").unlink()
    refused = steerrec("serve", "--data-dir", str(tmp_path / "data"), "--store", store.root)
    assert refused.code == 4
    assert "bundle 'one' is not complete" in refused.err
    assert "is empty" not in refused.err


def test_an_unknown_setting_is_refused_by_name(tmp_path: Path) -> None:
    refused = steerrec("serve", STEERREC_BNID="127.0.0.1:0")
    assert (refused.code, "did you mean STEERREC_BIND?" in refused.err) == (1, True)


def test_an_unknown_subcommand_exits_with_usage() -> None:
    assert steerrec("recomend").code == 2


@pytest.fixture(scope="module")
def synthetic_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(str(tmp_path_factory.mktemp("synthetic")))
    publish(Workload("T", n_items=300, d_model=16, d_sae=32, max_seq=8, k=4), store)
    return store


def test_a_variant_prints_what_it_keeps_and_is_published(synthetic_store: Store) -> None:
    done = steerrec("models", "variant", "--precision", "bf16", "--store", synthetic_store.root)
    assert "overlap_at_20" in done.out
    assert "not known without --data" in done.out
    assert len(synthetic_store.versions()) == 2


def test_a_variant_that_keeps_too_little_exits_with_refused(synthetic_store: Store) -> None:
    words = ("--precision", "int8", "--least-overlap-at-10", "1", "--store", synthetic_store.root)
    done = steerrec("models", "variant", *words)
    assert done.code == 1
    assert "must be at least 1;" in done.err
    assert "--least-overlap-at-10" in done.err


def test_a_precision_that_does_not_exist_is_refused_by_name(synthetic_store: Store) -> None:
    done = steerrec("models", "variant", "--precision", "int4", "--store", synthetic_store.root)
    assert done.code == 1
    assert "'int4' is not one of int8, bf16, bfloat16" in done.err
