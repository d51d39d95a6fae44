"""RFC 4180 by hand, one character after the other: what the product's reader is held against."""

from collections.abc import Iterable, Iterator, Sequence


def strictly_written(
    rows: Iterable[Sequence[str]], separator: str, line_end: str, *, is_quoted: bool
) -> str:
    """The rows as a file; fields are quoted where they must be, or all of them.

    `csv.writer` leaves CR and LF unquoted where lines end otherwise.
    """
    special = {separator, '"', "\r", "\n"}
    return "".join(
        separator.join(
            '"' + field.replace('"', '""') + '"' if is_quoted or special & set(field) else field
            for field in row
        )
        + line_end
        for row in rows
    )


def strictly_read(text: str, quotes: str) -> Iterator[tuple[str, str]]:
    """The rows of two fields, one character after the other; raises where RFC 4180 allows none."""
    for fields in records(text, quotes):
        assert len(fields) == 2, f"{fields} is not refused"
        yield fields[0], fields[1]


def records(text: str, quotes: str) -> Iterator[list[str]]:
    """The grammar of RFC 4180 by hand, blank lines left out."""
    place, fields = 0, []
    while place <= len(text):
        field, place = field_at(text, place, quotes)
        fields.append(field)
        end = text[place : place + 1]
        if end == ",":
            place += 1
            continue
        assert end in ("", "\n", "\r"), f"{text!r} is not refused at {place}"
        place += 2 if text.startswith("\r\n", place) else 1
        if len(fields) > 1 or fields[0].strip():
            yield fields
        fields = []


def field_at(text: str, place: int, quotes: str) -> tuple[str, int]:
    """The field that begins at a place, and where it ends."""
    if quotes != "none" and text.startswith('"', place):
        return quoted_at(text, place + 1, quotes)
    made = ""
    while place < len(text) and text[place] not in ",\r\n":
        if quotes == "backslash" and text[place] == "\\":
            place += 1
            assert text[place : place + 1] in ('"', "\\"), f"{text!r} is not refused"
        else:
            assert quotes == "none" or text[place] != '"', f"{text!r} is not refused"
        made += text[place]
        place += 1
    return made, place


def quoted_at(text: str, place: int, quotes: str) -> tuple[str, int]:
    """The content of a quoted field, and the place after its closing quote."""
    made = ""
    while True:
        assert place < len(text), f"{text!r} is not refused"
        one, two = text[place], text[place : place + 2]
        if quotes == "doubled" and two == '""':
            one, place = '"', place + 1
        elif quotes == "backslash" and one == "\\":
            assert two in ('\\"', "\\\\"), f"{text!r} is not refused"
            one, place = two[1], place + 1
        elif one == '"':
            return made, place + 1
        made += one
        place += 1
