"""How a plan reads before anything is written."""

from steerrec.v1 import preset_pb2, rule_pb2

from cli.apply_plan import Action, Step, plan_text
from cli.stored_presets import Signature

SIGNED = Signature("ada", "a reason")


def step(action: Action, name: str, **more: object) -> Step:
    preset = preset_pb2.Preset(name=name, revision=4, rules=[rule_pb2.Rule(feature_index=1)])
    return Step(action, preset, SIGNED, **more)  # type: ignore[arg-type]


def test_every_preset_has_a_line_with_what_becomes_of_it() -> None:
    steps = [step(Action.CREATE, "a"), step(Action.UNCHANGED, "b"), step(Action.ARCHIVE, "c")]
    assert plan_text(steps).plain.splitlines()[:3] == [
        "+ create    a  1 rule",
        "= unchanged b  revision 4",
        "- archive   c  revision 4, in no file",
    ]


def test_the_differences_stand_below_their_preset() -> None:
    change = preset_pb2.PresetDifference(field="description", before='"x"', after='"y"')
    told = plan_text([step(Action.UPDATE, "a", differences=[change])]).plain.splitlines()
    assert told[:2] == ["~ update    a", '      description: "x" -> "y"']


def test_the_last_line_counts_what_is_to_be_done() -> None:
    steps = [step(Action.CREATE, "a"), step(Action.CREATE, "b"), step(Action.UNCHANGED, "c")]
    assert plan_text(steps).plain.splitlines()[-1] == "plan: 2 to create, 1 unchanged"


def test_a_draft_is_planned_as_one() -> None:
    assert "a  1 rule, as a draft" in plan_text([step(Action.CREATE, "a", as_draft=True)]).plain
