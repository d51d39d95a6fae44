"""Subcommands that speak to a service: a real one, with embedded Redis, on the tiny bundle."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from cli.demo.replica_process import running
from cli.preset_file import read_preset
from model_store.store import Store
from tests.bundles import TINY_VERSION
from tests.e2e.cli_runs import At, steerrec

pytestmark = pytest.mark.e2e

BEYOND = "name: beyond\nrules:\n  - {feature: 9999, operation: ADD, value: 1.0}\n"
NUMBERS = count(1)


@dataclass(frozen=True)
class Preset:
    """A preset file of a test's own: names are never used twice, revisions outlive deletion."""

    name: str
    path: Path

    def write(self, *, value: float = 3.0, more: str = "") -> str:
        """Its file, and the path as a word."""
        rule = f"{{id: up, attribute: genre=Horror, operation: ADD, value: {value}{more}}}"
        text = f"name: {self.name}\ndescription: More horror\nrules:\n  - {rule}\n"
        self.path.write_text(text)
        return str(self.path)


@pytest.fixture(scope="module")
def at(tiny_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[At]:
    """The command, pointed at a running replica."""
    with running(tmp_path_factory.mktemp("replica"), tiny_store.root) as replica:
        yield At(replica.grpc)


@pytest.fixture
def preset(tmp_path: Path) -> Preset:
    """A preset that is not in force yet."""
    return Preset(f"more-horror-{next(NUMBERS)}", tmp_path / "preset.yaml")


@pytest.fixture
def in_force(at: At, preset: Preset) -> Preset:
    """A preset that is in force, at revision 1."""
    assert at("preset", "apply", "--yes", preset.write()).code == 0
    return preset


def test_recommend_prints_a_table(at: At) -> None:
    assert "score" in at("recommend", "i1", "i5").out


def test_recommend_in_json_has_as_many_items_as_asked_for(at: At) -> None:
    assert len(at("recommend", "i1", "i5", "-k", "7", "--json").json["items"]) == 7


def test_a_rule_of_the_command_line_is_reported(at: At) -> None:
    reply = at("recommend", "i1", "--rule", "genre=Horror:ADD:1.5", "--json").json
    assert [report["status"] for report in reply["rule_reports"]] == ["RULE_STATUS_APPLIED"]


def test_a_feature_rule_is_reported(at: At) -> None:
    reply = at("recommend", "i1", "--rule", "0:SET:1", "--json").json
    assert len(reply["rule_reports"]) == 1


def test_context_decides_conditions(at: At, preset: Preset) -> None:
    at("preset", "apply", "--yes", preset.write(more=", when: 'context.surface == \"home\"'"))
    reply = at("recommend", "i1", "-p", preset.name, "-c", "surface=mail", "--json").json
    assert reply["rule_reports"][0]["status"] == "RULE_STATUS_CONDITION_FALSE"


def test_full_tells_the_unsteered_rank(at: At) -> None:
    reply = at("recommend", "i1", "--rule", "genre=Horror:ADD:3", "--full", "--json").json
    assert all(item["unsteered_rank"] >= 1 for item in reply["items"])


def test_compare_in_json_has_both_slates(at: At, in_force: Preset) -> None:
    slates = at("recommend", "i2", "--preset", in_force.name, "--compare", "--json").json
    assert slates["unsteered"]["items"] != slates["steered"]["items"]


def test_compare_shows_rank_moves(at: At, in_force: Preset) -> None:
    out = at("recommend", "i2", "--preset", in_force.name, "--compare").out
    assert all(word in out for word in ("unsteered", "steered", "move", "+"))


def test_an_unknown_preset_exits_with_not_found(at: At) -> None:
    assert at("recommend", "i1", "--preset", "no-such").code == 4


def test_an_unknown_preset_may_be_skipped(at: At) -> None:
    reply = at("recommend", "i1", "--preset", "no-such", "--skip-unknown-presets", "--json").json
    assert reply["degraded"][0]["reason"] == "DEGRADED_REASON_PRESET_SKIPPED"


def test_a_refused_field_is_printed_with_its_path(at: At) -> None:
    refused = at("recommend", "i1", "-k", "0")
    assert (refused.code, "INVALID_ARGUMENT" in refused.err, "  k: " in refused.err) == (
        1,
        True,
        True,
    )


def test_a_refusal_names_its_request_id(at: At) -> None:
    assert "request id " in at("recommend", "i1", "-k", "0").err


def test_a_rule_that_cannot_be_read_exits_with_usage(at: At) -> None:
    assert at("recommend", "i1", "--rule", "Horror").code == 2


def test_a_service_that_is_not_there_exits_with_unavailable() -> None:
    gone = steerrec("recommend", "i1", "--address", "127.0.0.1:1")
    assert (gone.code, "no service answers at 127.0.0.1:1" in gone.err) == (3, True)


def test_applying_a_file_creates_the_preset(at: At, in_force: Preset) -> None:
    assert at("preset", "show", in_force.name, "--json").json["revision"] == "1"


def test_applying_an_unchanged_file_writes_no_revision(at: At, in_force: Preset) -> None:
    applied = at("preset", "apply", "--yes", in_force.write(), "--json").json[0]
    assert (applied["outcome"], applied["preset"]["revision"]) == ("unchanged", "1")


def test_applying_a_changed_file_writes_the_next_revision(at: At, in_force: Preset) -> None:
    applied = at("preset", "apply", "--yes", in_force.write(value=2), "--json").json[0]
    assert (applied["outcome"], applied["preset"]["revision"]) == ("updated", "2")


def test_a_preset_that_was_got_can_be_applied_unchanged(at: At, in_force: Preset) -> None:
    in_force.path.write_text(at("preset", "show", in_force.name).out)
    applied = at("preset", "apply", "--yes", str(in_force.path), "--json").json[0]
    assert applied["outcome"] == "unchanged"


def test_an_older_revision_can_be_got(at: At, in_force: Preset) -> None:
    at("preset", "apply", "--yes", in_force.write(value=2))
    assert "value: 3.0" in at("preset", "show", in_force.name, "--revision", "1").out


def test_author_and_reason_are_stored(at: At, preset: Preset) -> None:
    at("preset", "apply", "--yes", preset.write(), "--author", "ada", "--reason", "Halloween")
    stored = at("preset", "show", preset.name, "--json").json
    assert (stored["author"], stored["reason"]) == ("ada", "Halloween")


def test_presets_are_listed(at: At, in_force: Preset) -> None:
    listed = at("preset", "list", "--json").json
    assert in_force.name in [one["name"] for one in listed]


def test_a_deleted_preset_is_gone(at: At, in_force: Preset) -> None:
    at("preset", "delete", in_force.name)
    assert at("preset", "show", in_force.name).code == 4


def test_a_deleted_preset_can_be_applied_again(at: At, in_force: Preset) -> None:
    at("preset", "delete", in_force.name)
    assert (
        at("preset", "apply", "--yes", in_force.write(), "--json").json[0]["outcome"] == "created"
    )


def test_a_stale_etag_exits_with_conflict(at: At, in_force: Preset) -> None:
    assert at("preset", "delete", in_force.name, "--etag", "old").code == 5


def test_checking_by_the_service_stores_nothing(at: At, preset: Preset) -> None:
    checked = at("preset", "check", "--server", preset.write())
    assert (checked.code, at("preset", "show", preset.name).code) == (0, 4)


def test_the_service_refuses_what_its_bundle_lacks(at: At, tmp_path: Path) -> None:
    path = tmp_path / "beyond.yaml"
    path.write_text(BEYOND)
    checked = at("preset", "check", "--server", str(path))
    assert (checked.code, "rules[0].feature_index" in checked.err) == (1, True)


def test_features_are_listed(at: At) -> None:
    assert len(at("features", "list", "--limit", "5", "--json").json) == 5


def test_a_feature_is_shown(at: At) -> None:
    assert at("features", "show", "3", "--json").json["feature_index"] == 3


def test_a_feature_that_does_not_exist_exits_with_not_found(at: At) -> None:
    assert at("features", "show", "9999").code == 4


def test_a_card_shows_what_doses_do(at: At) -> None:
    out = at("features", "show", "4").out
    assert "share of genre=Comedy in the top 20 of 20 users" in out
    assert "label by attribute · lift 3.00" in out
    assert "30.0% (20.0 to 40.0)" in out


def test_a_groups_card_shows_what_doses_do(at: At) -> None:
    assert "saturated at 1" in at("features", "group", "genre=Horror").out
    assert at("features", "group", "genre=Horror", "--json").json["effects"]


def test_a_group_that_was_not_measured_exits_by_its_own_code(at: At) -> None:
    assert at("features", "group", "genre=Western").code == 4
    assert at("features", "group", "Western").code == 2


def test_features_are_found_by_words(at: At) -> None:
    assert at("features", "search", "horror", "--json").json[0]["label"] == "Horror"


def test_groups_are_listed(at: At) -> None:
    assert "genre=Horror" in at("features", "groups").out


def test_the_served_model_is_shown(at: At) -> None:
    assert at("models", "served", "--json").json["model"]["version"] == TINY_VERSION


def test_the_shipped_demo_presets_are_sound() -> None:
    folder = Path(__file__).parents[2] / "cli" / "demo_presets"
    assert all(read_preset(path) for path in folder.glob("*.yaml"))
