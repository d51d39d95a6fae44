"""The control plane by command: one replica with embedded Redis and a decision log."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from cli.demo.replica_process import running
from model_store.store import Store
from tests.e2e.cli_runs import At, Finished

pytestmark = pytest.mark.e2e

NUMBERS = count(1)
SETTINGS = {"STEERREC_DECISION_LOG": "redis", "STEERREC_DECISION_SAMPLE_SHARE": "1"}


@dataclass(frozen=True)
class Owned:
    """A preset of a test's own, and the folder with its file."""

    at: At
    name: str
    folder: Path

    @property
    def path(self) -> Path:
        """Its file."""
        return self.folder / f"{self.name}.yaml"

    def write(self, value: float = 3.0, more: str = "") -> str:
        """Its file, and the path as a word."""
        rule = f"{{id: up, attribute: genre=Horror, operation: ADD, value: {value}}}"
        self.path.write_text(f"name: {self.name}\nrules:\n  - {rule}\n{more}")
        return str(self.path)

    def apply(self, *words: str, value: float = 3.0, more: str = "") -> Finished:
        """Applies its file with these words."""
        return self.at("preset", "apply", self.write(value, more), "--yes", *words)


@pytest.fixture(scope="module")
def at(tiny_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[At]:
    """The command, pointed at a running replica that records every decision."""
    folder = tmp_path_factory.mktemp("replica")
    with running(folder, tiny_store.root, settings=SETTINGS) as replica:
        yield At(replica.grpc)


@pytest.fixture
def preset(at: At, tmp_path: Path) -> Owned:
    """A preset that is not there yet."""
    return Owned(at, f"controlled-{next(NUMBERS)}", tmp_path)


@pytest.fixture
def in_force(preset: Owned) -> Owned:
    """A preset in force at revision 1."""
    assert preset.apply().code == 0
    return preset


@pytest.fixture
def drafted(in_force: Owned) -> Owned:
    """A preset in force at revision 1, with a draft at revision 2."""
    assert in_force.apply("--draft", value=2).code == 0
    return in_force


def revision_in_force(preset: Owned) -> str:
    return str(preset.at("preset", "show", preset.name, "--json").json["revision"])


def test_a_plan_alone_writes_nothing(at: At, preset: Owned) -> None:
    planned = at("preset", "apply", preset.write(), "--dry-run", "--json").json
    assert [step["action"] for step in planned] == ["create"]
    assert at("preset", "show", preset.name).code == 4


def test_without_a_yes_and_nobody_to_ask_nothing_is_written(at: At, preset: Owned) -> None:
    refused = at("preset", "apply", preset.write())
    assert (refused.code, "to create" in refused.out, "--yes" in refused.err) == (1, True, True)
    assert at("preset", "show", preset.name).code == 4


def test_a_plan_tells_what_an_update_changes(at: At, in_force: Owned) -> None:
    planned = at("preset", "apply", in_force.write(value=2), "--dry-run")
    assert "rules[0].value: 3.0 -> 2.0" in planned.out


def test_one_file_that_the_service_refuses_keeps_all_from_being_written(
    at: At, preset: Owned
) -> None:
    preset.write()
    beyond = preset.folder / "beyond.yaml"
    beyond.write_text("name: beyond\nrules:\n  - {feature: 9999, operation: ADD, value: 1}\n")
    refused = at("preset", "apply", str(preset.folder), "--yes")
    assert (refused.code, "rules[0].feature_index" in refused.err) == (1, True)
    assert at("preset", "show", preset.name).code == 4


def test_targeting_comes_back_as_it_was_written(at: At, preset: Owned) -> None:
    targeting = (
        "targeting:\n  condition: context.kids\n  schedule:\n    time_zone: Europe/Berlin\n"
        "    windows:\n      - {days: [fri], start: '18:00', end: '02:00'}\n"
        "  rollout: {percent: 10, key: user_id}\n  priority: 5\n  group: evening\n"
    )
    assert preset.apply(more=targeting).code == 0
    preset.path.write_text(at("preset", "show", preset.name).out)
    again = at("preset", "apply", str(preset.path), "--yes", "--json").json
    assert again[0]["outcome"] == "unchanged"


def test_a_draft_is_not_in_force(drafted: Owned) -> None:
    assert revision_in_force(drafted) == "1"


def test_a_draft_that_says_the_same_is_not_written_again(drafted: Owned) -> None:
    assert drafted.apply("--draft", "--json", value=2).json[0]["outcome"] == "unchanged"


def test_publishing_puts_the_newest_draft_in_force(at: At, drafted: Owned) -> None:
    assert at("preset", "publish", drafted.name).out == f"{drafted.name}: published revision 2\n"
    assert revision_in_force(drafted) == "2"


def test_applying_what_a_draft_says_publishes_the_draft(drafted: Owned) -> None:
    applied = drafted.apply("--json", value=2).json[0]
    assert (applied["outcome"], applied["preset"]["revision"]) == ("published", "2")


def test_rolling_back_goes_to_the_revision_that_was_in_force_before(at: At, drafted: Owned) -> None:
    at("preset", "publish", drafted.name)
    at("preset", "rollback", drafted.name)
    assert revision_in_force(drafted) == "1"


def test_a_second_rollback_does_not_bring_back_what_the_first_took_out(
    at: At, drafted: Owned
) -> None:
    at("preset", "publish", drafted.name)
    assert [at("preset", "rollback", drafted.name).code for _ in range(2)] == [0, 4]
    assert revision_in_force(drafted) == "1"


def test_a_revision_named_behind_an_at_is_gone_back_to(at: At, drafted: Owned) -> None:
    at("preset", "publish", f"{drafted.name}@2")
    at("preset", "rollback", f"{drafted.name}@1")
    assert revision_in_force(drafted) == "1"


def test_a_deleted_preset_is_rolled_back_to_what_was_in_force_last(at: At, in_force: Owned) -> None:
    at("preset", "delete", in_force.name)
    assert at("preset", "rollback", in_force.name).code == 0
    assert revision_in_force(in_force) == "1"


def test_a_preset_without_an_earlier_revision_cannot_be_rolled_back(
    at: At, in_force: Owned
) -> None:
    assert at("preset", "rollback", in_force.name).code == 4


def test_a_dry_run_of_publish_writes_nothing(at: At, drafted: Owned) -> None:
    assert at("preset", "publish", drafted.name, "--dry-run").code == 0
    assert revision_in_force(drafted) == "1"


def test_publishing_without_a_draft_exits_with_not_found(at: At, in_force: Owned) -> None:
    assert at("preset", "publish", in_force.name).code == 4


def test_revisions_are_listed_with_their_states(at: At, drafted: Owned) -> None:
    listed = at("preset", "revisions", drafted.name, "--json").json
    assert [one["state"] for one in listed] == ["PRESET_STATE_DRAFT", "PRESET_STATE_ACTIVE"]


def test_diff_tells_what_an_older_draft_would_change(at: At, drafted: Owned) -> None:
    drafted.apply(value=5)
    out = at("preset", "diff", drafted.name).out
    assert out.splitlines()[0] == f"{drafted.name}: revision 3 (active) -> 2 (draft)"


def test_diff_tells_what_the_newest_revision_would_change(at: At, drafted: Owned) -> None:
    out = at("preset", "diff", drafted.name).out
    assert out.splitlines() == [
        f"{drafted.name}: revision 1 (active) -> 2 (draft)",
        "  rules[0].value: 3.0 -> 2.0",
    ]


def test_what_was_exported_applies_as_unchanged(at: At, in_force: Owned, tmp_path: Path) -> None:
    folder = tmp_path / "git"
    assert at("preset", "export", str(folder)).code == 0
    applied = at("preset", "apply", str(folder), "--prune", "--yes", "--json").json
    assert in_force.name in [one["preset"]["name"] for one in applied]
    assert {one["outcome"] for one in applied} == {"unchanged"}


def test_an_export_to_one_file_reads_back_too(at: At, in_force: Owned, tmp_path: Path) -> None:
    path = tmp_path / "all.yaml"
    at("preset", "export", str(path))
    planned = at("preset", "apply", str(path), "--dry-run", "--json").json
    assert (in_force.name, "unchanged") in [(one["name"], one["action"]) for one in planned]


def test_prune_archives_what_is_in_no_file(at: At, in_force: Owned, tmp_path: Path) -> None:
    folder = tmp_path / "git"
    at("preset", "export", str(folder))
    (folder / f"{in_force.name}.yaml").unlink()
    applied = at("preset", "apply", str(folder), "--prune", "--yes", "--json").json
    archived = [one["preset"]["name"] for one in applied if one["outcome"] == "archived"]
    assert archived == [in_force.name]


def test_status_says_that_all_serve_what_is_in_force(at: At, in_force: Owned) -> None:
    assert at("preset", "status", in_force.name, "--wait", "10").code == 0


def test_status_of_a_preset_that_does_not_exist_exits_with_not_found(
    at: At, in_force: Owned
) -> None:
    told = at("preset", "status", f"{in_force.name}x", "--wait", "10")
    assert (told.code, "there is no preset" in told.err) == (4, True)


def test_status_of_a_draft_that_never_was_in_force_exits_with_not_found(
    at: At, preset: Owned
) -> None:
    preset.apply("--draft")
    told = at("preset", "status", preset.name)
    assert (told.code, "is only a draft; publish it" in told.err) == (4, True)


def test_the_audit_chain_is_verified(at: At, in_force: Owned) -> None:
    verified = at("audit", "verify", "--json").json
    assert verified["events"] >= 1
    assert verified["broken_at"] is None


def test_a_tip_noted_before_still_holds(at: At, in_force: Owned) -> None:
    tip = at("audit", "verify", "--json").json["tip"]
    in_force.apply(value=1)
    assert at("audit", "verify", "--expect-tip", tip).code == 0


def test_a_tip_that_never_was_exits_with_refused(at: At) -> None:
    assert at("audit", "verify", "--expect-tip", f"1:{'0' * 64}").code == 1


def test_the_audit_log_of_one_preset_tells_its_author_and_reason(at: At, preset: Owned) -> None:
    preset.apply("--author", "ada", "--reason", "Halloween")
    (event,) = at("audit", "log", "--name", preset.name, "--json").json
    assert (event["action"], event["author"], event["reason"]) == (
        "AUDIT_ACTION_CREATED",
        "ada",
        "Halloween",
    )


def test_resolving_a_loss_that_is_none_is_refused(at: At) -> None:
    assert at("preset", "store", "restore", "--yes").code == 1


def test_a_target_is_reported(at: At) -> None:
    words = ("--target", "genre=Horror:0.5", "--target-k", "10", "--min-overlap", "0.2")
    reply = at("recommend", "i1", "i2", *words, "--json").json
    assert reply["target_report"]["attributes"][0]["wanted_share"] == 0.5
    assert "edit_share" in reply["budget_report"]


def test_a_target_is_printed(at: At) -> None:
    out = at("recommend", "i1", "i2", "--target", "genre=Horror:50%", "--min-overlap", "0.2").out
    assert ("target: " in out, "budget: " in out) == (True, True)


def test_the_counterfactual_is_printed_side_by_side(at: At, in_force: Owned) -> None:
    words = ("--preset", in_force.name, "--counterfactual", "--why", "--features")
    out = at("recommend", "i1", "i2", *words).out
    assert "unsteered" in out
    assert "what rules did to scores" in out
    assert "which features drive scores" in out


def test_a_default_preset_applies_unless_defaults_are_ignored(at: At, preset: Owned) -> None:
    preset.apply(more="targeting: {default: true}\n")
    at("preset", "status", preset.name, "--wait", "10")
    try:
        applied = at("recommend", "i1", "--json").json["applied_presets"]
        without = at("recommend", "i1", "--ignore-defaults", "--json").json["applied_presets"]
    finally:
        at("preset", "delete", preset.name)
    assert preset.name in [one["name"] for one in applied]
    assert without == []


def test_a_preset_outside_its_schedule_is_told_as_skipped(at: At, preset: Owned) -> None:
    preset.apply(more="targeting: {schedule: {until: 2020-01-01T00:00:00Z}}\n")
    at("preset", "status", preset.name, "--wait", "10")
    out = at("recommend", "i1", "--preset", preset.name).out
    assert f"skipped: {preset.name}@1 OUTSIDE_SCHEDULE" in out


def test_a_recorded_decision_is_replayed_to_the_same_slate(at: At, in_force: Owned) -> None:
    at("preset", "status", in_force.name, "--wait", "10")
    asked = at("recommend", "i1", "i2", "--preset", in_force.name, "--json").json
    replayed = at("replay", asked["decision_id"])
    assert (replayed.code, replayed.out.splitlines()[-1]) == (
        0,
        "the same items, order and scores",
    )


def test_decisions_are_listed_newest_first(at: At) -> None:
    asked = at("recommend", "i1", "--json").json["decision_id"]
    listed = at("decisions", "list", "--limit", "3", "--json").json
    assert listed[0]["decision_id"] == asked


def test_a_decision_that_is_not_kept_exits_with_not_found(at: At) -> None:
    assert at("replay", "nothing").code == 4


def test_a_draft_file_is_previewed_on_supplied_histories(
    at: At, preset: Owned, tmp_path: Path
) -> None:
    histories = tmp_path / "users.jsonl"
    lines = [{"history": [f"i{n}", f"i{n + 1}"], "next": f"i{n + 2}"} for n in range(1, 9)]
    histories.write_text("\n".join(map(json.dumps, lines)))
    words = ("preset", "preview", preset.write(), "--histories", str(histories), "-k", "10")
    report = at(*words, "--json").json
    assert (report["history_count"], report["next_known_count"]) == (8, 8)
    assert at("preset", "show", preset.name).code == 4


def test_a_stored_draft_is_previewed_on_recorded_decisions(at: At, drafted: Owned) -> None:
    at("recommend", "i1", "i2")
    out = at("preset", "preview", drafted.name, "--recorded", "5").out
    assert f"{drafted.name} (revision 2)" in out
    assert "genre=Horror" in out


def test_a_preview_on_nobody_is_a_wrong_command_line(at: At, preset: Owned) -> None:
    assert at("preset", "preview", preset.write()).code == 2
