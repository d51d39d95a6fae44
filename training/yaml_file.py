"""YAML files that people write: their content, or one sentence on why there is none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent

from training.errors import TrainingError

MAX_DEPTH: Final = 16
"""Sections within sections: no config of ours has more than 5."""

UNREADABLE_VALUES: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What the YAML library lets through for values that are not what they look like."""


def yaml_content(
    path: Path, refused: Callable[[str], TrainingError], kind: Literal["rt", "safe"] = "rt"
) -> Any:
    """The content of a YAML file; None where it holds nothing.

    Args:
        path: the file.
        refused: makes the error to raise from a sentence that names line and problem.
        kind: `rt` remembers the line of each key, `safe` gives plain values.

    Raises:
        TrainingError: the one that `refused` makes. The file cannot be read, is not UTF-8, is not
            YAML, is nested too deep, or holds a value that cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8").removeprefix("\ufeff")
        _check_depth(text, refused)
        return YAML(typ=kind, pure=True).load(text)
    except OSError as error:
        raise refused(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise refused("is not UTF-8; save it as UTF-8") from error
    except MarkedYAMLError as error:
        raise refused(_marked_sentence(error)) from error
    except YAMLError as error:
        raise refused(f"not YAML: {_first_line(error)}") from error
    except UNREADABLE_VALUES as error:
        raise refused(
            f"holds a value that cannot be read: {_first_line(error).partition(':')[0]}"
        ) from error


def _check_depth(text: str, refused: Callable[[str], TrainingError]) -> None:
    """Raise before the content is built: the builder calls itself once for each level."""
    depth = 0
    for event in YAML(pure=True).parse(text):
        if isinstance(event, CollectionStartEvent):
            depth += 1
        elif isinstance(event, CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            _refuse_depth(event.start_mark.line + 1, refused)


def _refuse_depth(line: int, refused: Callable[[str], TrainingError]) -> NoReturn:
    raise refused(f"line {line}: more than {MAX_DEPTH} sections within each other; write fewer")


def _marked_sentence(error: MarkedYAMLError) -> str:
    """Line and problem, without the parser's advice on its own settings."""
    mark = error.problem_mark or error.context_mark
    line = "" if mark is None else f"line {mark.line + 1}: "
    problem = str(error.problem or error.context).splitlines()[0].partition(" with value ")[0]
    return f"{line}{problem if isinstance(error, DuplicateKeyError) else f'not YAML: {problem}'}"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
