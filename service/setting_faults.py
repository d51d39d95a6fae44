"""What is wrong with the value of a setting, in a sentence."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import ErrorDetails

MAX_SHOWN: Final = 80
"""Characters of a value in an error."""
NUMBER_FAULTS: Final = ("int_", "float_", "greater_than", "less_than", "finite_number")
"""How pydantic's names begin of what is wrong with a number."""
TEXT_FAULTS: Final = "string_pattern_mismatch"


def sentence_of_fault(fault: ErrorDetails, schema: Mapping[str, Any]) -> str:
    """The value and what it must be; what a validator of ours found, as it said it.

    Args:
        fault: as pydantic describes it.
        schema: JSON schema of the setting.
    """
    wanted = _wanted(fault, schema)
    if not wanted:
        return fault["msg"].removeprefix("Value error, ")
    return f"{repr(fault['input'])[:MAX_SHOWN]} is not {wanted}"


def _wanted(fault: ErrorDetails, schema: Mapping[str, Any]) -> str:
    """What the value must be; empty: the fault says it itself."""
    kind = fault["type"]
    if kind == "enum":
        return f"one of {fault['ctx']['expected']}"
    if kind.startswith("bool_"):
        return "true or false"
    if kind == TEXT_FAULTS:
        return "at most 100 letters, digits, '.', '_' and '-'"
    return _number(schema) if kind.startswith(NUMBER_FAULTS) else ""


def _number(schema: Mapping[str, Any]) -> str:
    """The numbers that a setting takes, such as "a whole number from 1 to 1,024"."""
    own = next((one for one in schema.get("anyOf", ()) if "type" in one), schema)
    what = "a whole number" if own.get("type") == "integer" else "a number"
    if "exclusiveMinimum" in own:
        return f"{what} above {_shown(own['exclusiveMinimum'])} and up to {_shown(own['maximum'])}"
    return f"{what} from {_shown(own['minimum'])} to {_shown(own['maximum'])}"


def _shown(bound: float) -> str:
    return f"{int(bound) if bound == int(bound) else bound:,}"
