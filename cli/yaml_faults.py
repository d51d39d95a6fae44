"""What a text that is no YAML has wrong, in words for people who never read of YAML."""

import re
from pathlib import Path

from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

QUOTES = "put the whole text in quotes"
ALIGN = "align the keys of one section, each on a line of its own"

_SENTENCES: tuple[tuple[str, str], ...] = (
    (
        r"mapping values are not allowed here|could not find expected ':'",
        "a key, or a second `: `, where none can be; write `key: value` and " + ALIGN,
    ),
    (r"found unexpected end of stream|found unexpected document sep", "a quote is never closed"),
    (r"expected ',' or '\}'", "braces want {key: value, key: value}; close them, or add the comma"),
    (r"expected ',' or '\]'", "brackets want [value, value]; close them, or add the comma"),
    (r"found character '(\\t|\t)'", "a tab at the start of a line; indent with blanks"),
    (r"found character '(?P<it>.)'", 'a text cannot begin with "{it}"; ' + QUOTES),
    (
        r"found unknown escape character '(?P<it>.*)'",
        'in quotes "\\{it}" means nothing; write "\\\\" for a backslash',
    ),
    (r"undefined alias '(?P<it>.*)'", "*{it} stands for nothing; to begin a text with *, quote it"),
    (r"found duplicate anchor '(?P<it>[^']*)'", "&{it} is there twice; keep one"),
    (r"but found '<scalar>'", "goes on after a closing quote; put the whole text in other quotes"),
    (
        r"but found ('<block|'<stream end|\?|'-|.*block)|expected <block end>",
        "is indented unlike the lines above, or ends too soon; " + ALIGN,
    ),
    (
        r"expected '<document start>'|expected <document start>",
        "goes on after its end; remove that",
    ),
    (r"duplicate key \"(?P<it>[^\"]*)\"", "{it}: is there twice; keep one"),
    (r"duplicate key", "a key is there twice; keep one"),
    (r"for merging, but found", "<< takes another rule's keys, as *name; write the keys out"),
    (r"undefined tag handle", "a text that begins with ! is a tag; " + QUOTES),
    (r"YAML document|YAML version|YAML directive", "remove the line that begins with %YAML"),
)
"""What the parser says, and what we say; the first that is found counts."""


def yaml_fault(path: Path, error: YAMLError) -> str:
    """Line, problem and remedy."""
    if isinstance(error, ReaderError):
        return _character_fault(path, error)
    if not isinstance(error, MarkedYAMLError):
        return f"{path.name}: is not YAML: {str(error).splitlines()[0]}"
    mark = error.problem_mark or error.context_mark
    where = path.name if mark is None else f"{path.name}, line {mark.line + 1}"
    problem = str(error.problem or error.context).splitlines()[0]
    return f"{where}: {_sentence(problem)}"


def _sentence(problem: str) -> str:
    for pattern, sentence in _SENTENCES:
        if found := re.search(pattern, problem):
            # a replacement by name, so that braces of the sentence stay
            return sentence.replace("{it}", found.groupdict().get("it", ""))
    return f"is not YAML: {problem}"


def _character_fault(path: Path, error: ReaderError) -> str:
    shown = f"U+{error.character:04X}" if isinstance(error.character, int) else "a byte"
    return f"{path.name}: holds {shown}, a character that no text has; remove it"
