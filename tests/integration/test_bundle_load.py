"""A bundle loads whole and proven, or not at all, and the refusal names the file."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from model_store.bundle import Bundle
from model_store.errors import BundleCorrupt, GoldenMismatch
from model_store.files import REQUIRED_FILES
from model_store.load import load_bundle
from model_store.manifest import Manifest, SaeKind
from tests.bundles import golden, sealed, tiny_bundle
from tests.tiny_graphs import write_encoder, write_lower, write_upper
from tests.tiny_model import TinyModel, best

MODEL = TinyModel()
Edit = Callable[[Any], None]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pristine")
    tiny_bundle(folder, MODEL)
    return folder


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "bundle"))


@pytest.fixture
def manifest(folder: Path) -> Manifest:
    return sealed(folder, MODEL)


def refusal(folder: Path, manifest: Manifest) -> BundleCorrupt:
    with pytest.raises(BundleCorrupt) as raised:
        load_bundle(folder, manifest)
    return raised.value


def edit_json(path: Path, edit: Edit) -> None:
    contents = json.loads(path.read_text())
    edit(contents)
    path.write_text(json.dumps(contents))


@pytest.mark.parametrize("name", REQUIRED_FILES)
def test_a_flipped_bit_is_refused_by_the_files_name(
    folder: Path, manifest: Manifest, name: str
) -> None:
    contents = bytearray((folder / name).read_bytes())
    contents[len(contents) // 2] ^= 1
    (folder / name).write_bytes(contents)
    refused = refusal(folder, manifest)
    assert refused.file == name
    assert "sha256" in refused.reason


@pytest.mark.parametrize("name", REQUIRED_FILES)
def test_a_truncated_file_is_refused_by_name(folder: Path, manifest: Manifest, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:-1])
    refused = refusal(folder, manifest)
    assert refused.file == name
    assert "bytes" in refused.reason


@pytest.mark.parametrize("name", REQUIRED_FILES)
def test_a_missing_file_is_refused_by_name(folder: Path, manifest: Manifest, name: str) -> None:
    (folder / name).unlink()
    assert refusal(folder, manifest).file == name


def test_an_extra_file_is_refused_by_name(folder: Path, manifest: Manifest) -> None:
    (folder / "notes.txt").write_text("hello")
    refused = refusal(folder, manifest)
    assert (refused.file, refused.reason) == ("notes.txt", "the manifest does not list it")


def test_a_folder_in_the_place_of_a_file_is_refused(folder: Path, manifest: Manifest) -> None:
    (folder / "golden.json").unlink()
    (folder / "golden.json").mkdir()
    assert str(refusal(folder, manifest)) == "golden.json: is not a file"


def test_a_folder_without_manifest_is_no_bundle(folder: Path) -> None:
    with pytest.raises(BundleCorrupt, match=r"manifest\.json: is not there"):
        load_bundle(folder)


def test_a_garbled_manifest_is_refused_by_name(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")
    with pytest.raises(BundleCorrupt, match=r"manifest\.json: "):
        load_bundle(folder)


def test_a_manifest_cannot_name_files_outside_its_folder(folder: Path, manifest: Manifest) -> None:
    def escape(contents: Any) -> None:
        contents["files"]["../secret"] = contents["files"]["golden.json"]

    (folder / "manifest.json").write_text(manifest.model_dump_json())
    edit_json(folder / "manifest.json", escape)
    with pytest.raises(BundleCorrupt, match=r"manifest\.json: "):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("model", "file"),
    [
        (TinyModel(d_model=9), "sae.safetensors"),
        (TinyModel(d_sae=33), "sae.safetensors"),
        (TinyModel(n_items=51), "catalogue.jsonl"),
        (TinyModel(n_blocks=3), "lower.onnx"),
        (TinyModel(max_seq=9), "golden.json"),
        (TinyModel(n_blocks=1, hook_block=3), "manifest.json"),
    ],
)
def test_a_manifest_of_another_shape_is_refused(folder: Path, model: TinyModel, file: str) -> None:
    assert refusal(folder, sealed(folder, model)).file == file


def test_a_kind_without_its_threshold_is_refused(folder: Path, manifest: Manifest) -> None:
    sae = manifest.sae.model_copy(update={"kind": SaeKind.BATCHTOPK})
    refused = refusal(folder, manifest.model_copy(update={"sae": sae}))
    assert (refused.file, refused.reason[:13]) == ("manifest.json", "sae.threshold")


def test_another_feature_space_is_refused(folder: Path, manifest: Manifest) -> None:
    other = manifest.model_copy(update={"feature_space": "f" * 16})
    assert "feature_space" in refusal(folder, other).reason


def test_weights_that_are_not_finite_are_refused(folder: Path) -> None:
    weights = load_file(folder / "sae.safetensors")
    weights["W_dec"][3, 3] = np.nan
    save_file(weights, folder / "sae.safetensors")
    refused = refusal(folder, sealed(folder, MODEL))
    assert str(refused) == "sae.safetensors: W_dec holds a value that is not finite"


@pytest.mark.parametrize("name", ["base_model.safetensors", "sae.safetensors"])
def test_what_is_not_safetensors_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"\x80\x04not weights")
    assert refusal(folder, sealed(folder, MODEL)).file == name


@pytest.mark.parametrize("name", ["lower.onnx", "encoder.onnx", "upper.onnx"])
def test_what_is_no_graph_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"not a graph")
    assert refusal(folder, sealed(folder, MODEL)).file == name


def test_graphs_in_each_others_place_are_refused(folder: Path) -> None:
    shutil.copy(folder / "encoder.onnx", folder / "lower.onnx")
    refused = refusal(folder, sealed(folder, MODEL))
    assert refused.file == "lower.onnx"
    assert refused.reason.startswith("inputs are")


@pytest.mark.parametrize(
    ("write", "name", "model"),
    [
        (write_lower, "lower.onnx", TinyModel(d_model=9)),
        (write_encoder, "encoder.onnx", TinyModel(d_sae=33)),
        (write_upper, "upper.onnx", TinyModel(n_items=51)),
    ],
)
def test_a_graph_of_another_shape_is_refused(
    folder: Path, write: Callable[[Path, TinyModel], None], name: str, model: TinyModel
) -> None:
    write(folder / name, model)
    assert refusal(folder, sealed(folder, MODEL)).file == name


@pytest.mark.parametrize(
    ("write", "name"),
    [(write_lower, "lower.onnx"), (write_encoder, "encoder.onnx"), (write_upper, "upper.onnx")],
)
def test_a_graph_with_other_weights_fails_the_golden_request(
    folder: Path, write: Callable[[Path, TinyModel], None], name: str
) -> None:
    write(folder / name, TinyModel(seed=1))
    assert isinstance(refusal(folder, sealed(folder, MODEL)), GoldenMismatch)


def test_other_decoder_rows_fail_the_steered_golden_request(folder: Path) -> None:
    weights = load_file(folder / "sae.safetensors")
    weights["W_dec"] = weights["W_dec"][::-1].copy()
    save_file(weights, folder / "sae.safetensors")
    refused = refusal(folder, sealed(folder, MODEL))
    assert isinstance(refused, GoldenMismatch)
    assert "steered scores are off" in refused.reason


def swap_first_two(contents: Any) -> None:
    row = contents["top_items"][0]
    row[0], row[1] = row[1], row[0]


def unsteer(contents: Any) -> None:
    contents["steered_top_scores"] = contents["top_scores"]


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (swap_first_two, "the unsteered scores are off"),
        (unsteer, "the deltas change no score"),
        (lambda golden: golden.update(k=9), "top_items: must be 4 lists of 9"),
        (lambda golden: golden.update(atol=1.0), "atol"),
        (lambda golden: golden["items"].append([51]), "an index is beyond n_items"),
        (lambda golden: golden["items"].append([]), "a history is empty"),
        (lambda golden: golden["feature_deltas"].update({"32": 1.0}), "is beyond d_sae"),
        (lambda golden: golden["activations"][0].update({"31": 1.0}), "the activations are off"),
    ],
)
def test_a_bad_golden_request_is_refused(folder: Path, edit: Edit, reason: str) -> None:
    edit_json(folder / "golden.json", edit)
    refused = refusal(folder, sealed(folder, MODEL))
    assert refused.file == "golden.json"
    assert reason in refused.reason


def test_a_golden_request_need_not_record_activations(folder: Path) -> None:
    edit_json(folder / "golden.json", lambda contents: contents.pop("activations"))
    assert load_bundle(folder, sealed(folder, MODEL))


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda cards: cards["features"].pop(), "must hold features 0 to 31"),
        (lambda cards: cards["features"].reverse(), "must hold features 0 to 31"),
        (lambda cards: cards["groups"].append(cards["groups"][0]), "is there twice"),
        (lambda cards: cards["groups"][0]["members"].pop(), "weights sum to"),
        (lambda cards: cards["groups"][0]["members"][0].update(feature_index=31), "31 is dead"),
        (lambda cards: cards["groups"][0]["members"][0].update(feature_index=32), "32 does not"),
        (lambda cards: cards["groups"][0]["members"][0].update(feature_index=10), "member twice"),
        (lambda cards: cards.update(note="hello"), "note"),
    ],
)
def test_bad_cards_are_refused(folder: Path, edit: Edit, reason: str) -> None:
    edit_json(folder / "feature_cards.json", edit)
    refused = refusal(folder, sealed(folder, MODEL))
    assert refused.file == "feature_cards.json"
    assert reason in refused.reason


@pytest.fixture(
    params=[2, 1, 3], ids=["after the last block", "below it", "after the norm"], scope="module"
)
def hooked(request: pytest.FixtureRequest) -> TinyModel:
    return TinyModel(hook_block=request.param)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, hooked: TinyModel) -> Bundle:
    folder = tmp_path_factory.mktemp("bundle")
    return load_bundle(folder, tiny_bundle(folder, hooked))


def test_the_graphs_answer_as_the_reference(bundle: Bundle, hooked: TinyModel) -> None:
    for history in hooked.histories(20):
        items = np.array([history])
        hidden = bundle.graphs.hidden(items)
        nothing = np.zeros((1, 0), dtype=np.int64)
        answer = bundle.graphs.top_k(hidden, items, nothing, 5)
        assert answer.items[0].tolist() == best(hooked.scores(hooked.hidden(history)), 5)


def test_the_encoder_is_the_references(bundle: Bundle, hooked: TinyModel) -> None:
    history = hooked.histories(2)[1]
    hidden = bundle.graphs.hidden(np.array([history]))[:, -1]
    expected = hooked.activations(hooked.hidden(history))[-1:]
    np.testing.assert_allclose(bundle.graphs.activations(hidden), expected, atol=1e-5)


def test_padding_does_not_change_an_answer(bundle: Bundle, hooked: TinyModel) -> None:
    history = hooked.histories(3)[2]
    padded = [0] * (hooked.max_seq - len(history)) + history
    short, long = (bundle.graphs.hidden(np.array([items]))[:, -1] for items in (history, padded))
    np.testing.assert_allclose(short, long, atol=1e-6)


def test_excluded_items_are_not_answered(bundle: Bundle) -> None:
    items = np.array([[3, 4, 5], [7, 8, 9]])
    hidden = bundle.graphs.hidden(items)
    excluded = np.array([[1, 2, 3], [50, 0, 0]])
    answer = bundle.graphs.top_k(hidden, items, excluded, 40)
    assert not set(answer.items[0].tolist()) & {0, 1, 2, 3}
    assert not set(answer.items[1].tolist()) & {0, 50}


def test_places_are_at_most_the_catalogue(bundle: Bundle, hooked: TinyModel) -> None:
    items = np.array([[3]])
    hidden = bundle.graphs.hidden(items)
    answer = bundle.graphs.top_k_and_scores(hidden, items, np.array([[3]]), 1000)
    assert answer.items.shape == (1, hooked.n_items)
    assert answer.scores[0, -1] == -np.inf
    assert answer.all_scores.shape == (1, hooked.n_items + 1)


def test_decoder_rows_are_mapped_and_read_only(bundle: Bundle, hooked: TinyModel) -> None:
    np.testing.assert_array_equal(bundle.W_dec, hooked.W_dec)
    assert not bundle.W_dec.flags.writeable
    assert not bundle.W_dec.flags.owndata


def test_reference_activations_are_the_cards(bundle: Bundle) -> None:
    assert bundle.reference_activations[31] == 0
    assert bundle.reference_activations[0] == np.float32(
        bundle.cards.features[0].reference_activation
    )


def test_groups_are_found_by_attribute(bundle: Bundle) -> None:
    members = bundle.groups["genre", "Horror"].members
    assert [member.feature_index for member in members] == [0, 1, 2]


def test_the_golden_request_steers(hooked: TinyModel) -> None:
    recorded = golden(hooked)
    assert recorded["top_items"] != recorded["steered_top_items"]
