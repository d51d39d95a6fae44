"""Which revision is gone back to, which draft is published, and what a command line names."""

import io

import pytest
import typer
from steerrec.v1 import preset_pb2

from cli.errors import Refused
from cli.preset_history import confirm_older, in_force_before, named, show_difference

CREATED = preset_pb2.AUDIT_ACTION_CREATED
PUBLISHED = preset_pb2.AUDIT_ACTION_PUBLISHED
ROLLED_BACK = preset_pb2.AUDIT_ACTION_ROLLED_BACK
DRAFTED = preset_pb2.AUDIT_ACTION_DRAFTED
ARCHIVED = preset_pb2.AUDIT_ACTION_ARCHIVED
ACTIVE, DRAFT = preset_pb2.PRESET_STATE_ACTIVE, preset_pb2.PRESET_STATE_DRAFT


def before(*told: tuple[preset_pb2.AuditAction.ValueType, int]) -> int | None:
    return in_force_before(
        [preset_pb2.AuditEvent(action=action, revision=number) for action, number in told]
    )


def revision(number: int, state: preset_pb2.PresetState.ValueType = DRAFT) -> preset_pb2.Preset:
    return preset_pb2.Preset(name="a", revision=number, state=state)


def test_a_rollback_goes_to_the_revision_in_force_before() -> None:
    assert before((CREATED, 1), (DRAFTED, 2), (PUBLISHED, 2), (DRAFTED, 3)) == 1


def test_a_second_rollback_goes_further_back() -> None:
    assert before((CREATED, 1), (PUBLISHED, 2), (PUBLISHED, 3), (ROLLED_BACK, 2)) == 1


def test_what_was_rolled_back_is_not_gone_back_to_after_a_publish() -> None:
    assert before((CREATED, 1), (PUBLISHED, 2), (ROLLED_BACK, 1), (PUBLISHED, 3)) == 1


def test_from_the_first_revision_there_is_nothing_to_go_back_to() -> None:
    assert before((CREATED, 1), (PUBLISHED, 2), (ROLLED_BACK, 1)) is None


def test_a_deleted_preset_goes_back_to_what_was_in_force_last() -> None:
    assert before((CREATED, 1), (PUBLISHED, 2), (ARCHIVED, 2)) == 2


def test_a_preset_that_is_only_a_draft_has_nothing_to_go_back_to() -> None:
    assert before((DRAFTED, 1)) is None


def test_an_older_draft_without_a_yes_and_nobody_to_ask_is_not_published(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(Refused, match="--yes"):
        confirm_older(revision(5), [revision(6, ACTIVE), revision(5)], yes=False, dry_run=False)
    assert "draft 5 is older than revision 6, which is in force" in capsys.readouterr().err


def test_an_older_draft_is_published_with_a_yes() -> None:
    confirm_older(revision(5), [revision(6, ACTIVE), revision(5)], yes=True, dry_run=False)


def test_a_newer_draft_is_published_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    confirm_older(revision(7), [revision(7), revision(6, ACTIVE)], yes=False, dry_run=False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "revision", "expected"),
    [("a", None, ("a", None)), ("a", 2, ("a", 2)), ("a@2", None, ("a", 2))],
)
def test_a_revision_is_named_either_way(
    text: str, revision: int | None, expected: tuple[str, int | None]
) -> None:
    assert named(text, revision) == expected


@pytest.mark.parametrize(("text", "revision"), [("a@2", 2), ("a@0", None), ("a@x", None)])
def test_a_revision_named_twice_or_wrongly_is_a_wrong_command_line(
    text: str, revision: int | None
) -> None:
    with pytest.raises(typer.BadParameter):
        named(text, revision)


def test_a_diff_without_an_open_draft_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    reply = preset_pb2.DiffPresetResponse(to=revision(6, ACTIVE))
    getattr(reply, "from").CopyFrom(revision(6, ACTIVE))
    show_difference(reply, as_json=False, of_draft=True)
    assert capsys.readouterr().out == "a: no draft is open; revision 6 is in force\n"
