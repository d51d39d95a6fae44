"""Rules, presets and context as words."""

import pytest
import typer
from google.protobuf.json_format import MessageToDict
from steerrec.v1 import rule_pb2

from cli.rule_text import attribute_share_of, context_of, preset_reference_of, rule_of


def test_an_attribute_rule_is_read() -> None:
    assert rule_of("genre=Horror:ADD:1.5") == rule_pb2.Rule(
        attribute=rule_pb2.Attribute(name="genre", value="Horror"),
        operation=rule_pb2.OPERATION_ADD,
        value=1.5,
        unit=rule_pb2.UNIT_REFERENCE,
    )


@pytest.mark.parametrize("target", ["12", "feature=12", "feature 12"])
def test_a_feature_is_named_by_its_index(target: str) -> None:
    assert rule_of(f"{target}:SCALE:0").feature_index == 12


def test_the_unit_may_follow() -> None:
    assert rule_of("12:SET:3:raw").unit == rule_pb2.UNIT_RAW


def test_the_operation_may_be_in_lower_case() -> None:
    assert rule_of("12:cap:3").operation == rule_pb2.OPERATION_CAP


def test_an_attribute_value_may_hold_a_colon() -> None:
    assert rule_of("series=Alien: Covenant:ADD:1").attribute.value == "Alien: Covenant"


def test_a_negative_index_is_left_to_the_service_to_refuse() -> None:
    assert rule_of("-1:ADD:1").feature_index == -1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("genre=Horror", "is no rule: TARGET:OPERATION:VALUE"),
        ("genre=Horror:ADDD:1", 'did you mean "ADD"?'),
        ("genre=Horror:ADD:much", '"much" is not a number'),
        ("Horror:ADD:1", '"Horror" is no target'),
    ],
)
def test_a_bad_rule_says_which_part_is_wrong(text: str, message: str) -> None:
    with pytest.raises(typer.BadParameter, match=message.replace("?", r"\?")):
        rule_of(text)


def test_a_preset_reference_may_name_a_revision() -> None:
    assert preset_reference_of("less-horror@3").revision == 3


def test_a_preset_reference_without_a_revision_has_none() -> None:
    assert not preset_reference_of("less-horror").HasField("revision")


def test_a_revision_that_is_no_number_is_refused() -> None:
    with pytest.raises(typer.BadParameter, match="is not a whole number"):
        preset_reference_of("less-horror@latest")


def test_context_values_are_json_where_they_parse_as_such() -> None:
    context = context_of(["surface=home", "age=12", "kids=true"])
    assert context is not None
    assert MessageToDict(context) == {"surface": "home", "age": 12.0, "kids": True}


def test_no_context_is_no_struct() -> None:
    assert context_of([]) is None


@pytest.mark.parametrize(
    ("pairs", "message"), [(["home"], "is not KEY=VALUE"), (["a=1", "a=2"], "is given twice")]
)
def test_bad_context_is_refused(pairs: list[str], message: str) -> None:
    with pytest.raises(typer.BadParameter, match=message):
        context_of(pairs)


@pytest.mark.parametrize("share", ["0.4", "40%"])
def test_a_share_is_a_part_or_a_percentage(share: str) -> None:
    wanted = attribute_share_of(f"genre=Horror:{share}")
    assert wanted.attribute.value == "Horror"
    assert wanted.share == pytest.approx(0.4)


def test_an_attribute_of_a_target_may_hold_colons() -> None:
    assert attribute_share_of("title=Alien: Covenant:0.5").attribute.value == "Alien: Covenant"


@pytest.mark.parametrize("text", ["genre=Horror", "Horror:0.4", "genre=Horror:x", "g=H:1.5"])
def test_a_target_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        attribute_share_of(text)


@pytest.mark.parametrize(
    ("share", "fault"),
    [
        ("40", "40 is not within 0 to 1; write 40% or 0.4"),
        ("-1", "-1 is not within 0 to 1; write 40% or 0.4, for example"),
        ("140%", "140% is not within 0 to 1; write 40% or 0.4, for example"),
        ("nan", "nan is not within 0 to 1; write 40% or 0.4, for example"),
        ("x", "'x' is no share; write 40% or 0.4"),
    ],
)
def test_a_share_that_cannot_be_is_refused_with_option_value_and_remedy(
    share: str, fault: str
) -> None:
    with pytest.raises(typer.BadParameter) as refused:
        attribute_share_of(f"genre=Comedy:{share}")
    assert refused.value.message == f"--target genre=Comedy:{share}: {fault}"


def test_a_context_gives_no_key_twice_within_a_value() -> None:
    with pytest.raises(typer.BadParameter, match='"x" is given twice'):
        context_of(['a={"x": 1, "x": 2}'])
