"""Files of histories to preview on."""

from pathlib import Path

import pytest

from cli.errors import Refused
from cli.histories import read_histories


def written(folder: Path, text: str) -> Path:
    path = folder / "users.jsonl"
    path.write_text(text)
    return path


def test_a_line_is_a_history_with_what_came_next_and_its_context(tmp_path: Path) -> None:
    line = '{"history": ["50", "172"], "next": "181", "context": {"surface": "home"}}\n'
    (one,) = read_histories(written(tmp_path, line))
    assert (list(one.item_ids), one.next_item_id) == (["50", "172"], "181")
    assert one.context["surface"] == "home"


def test_a_history_without_context_leaves_it_to_the_request(tmp_path: Path) -> None:
    (one,) = read_histories(written(tmp_path, '{"history": ["50"]}\n'))
    assert not one.HasField("context")


def test_empty_lines_are_skipped(tmp_path: Path) -> None:
    assert len(read_histories(written(tmp_path, '\n{"history": ["50"]}\n\n'))) == 1


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    assert len(read_histories(written(tmp_path, '\ufeff{"history": ["50"]}\r\n'))) == 1


def test_a_line_separator_within_a_text_ends_no_line(tmp_path: Path) -> None:
    (one,) = read_histories(written(tmp_path, '{"history": ["5\u20280"]}\n'))
    assert list(one.item_ids) == ["5\u20280"]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", 'users.jsonl, line 1: is no JSON; each line looks like {"history": ['),
        ('["50"]', "users.jsonl, line 1: is no JSON object; each line looks like {"),
        ('{"next": "1"}', "users.jsonl, line 1: history: is missing; each line looks like {"),
        (
            '{"history": [1]}',
            "users.jsonl, line 1: history[0]: is no text; write the id as text, in quotes",
        ),
        ('{"history": "50"}', "history: is no list; write the ids in brackets"),
        ('{"history": [], "context": [1]}', "context: is no JSON object; write keys and values"),
        ('{"history": ["1"], "history": []}', 'line 1: key "history" is given twice; give it once'),
        ('{"history": [], "context": {"a": 1, "a": 2}}', 'key "a" is given twice; give it once'),
        ('{"history": [], "nxt": "1"}', "unknown key; known here: history, next, context"),
    ],
)
def test_a_line_that_is_no_history_is_refused_by_its_number(
    tmp_path: Path, line: str, fault: str
) -> None:
    with pytest.raises(Refused) as refused:
        read_histories(written(tmp_path, line))
    assert fault in str(refused.value)


def test_every_bad_line_is_told(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        read_histories(written(tmp_path, '{"next": "1"}\n{"history": ["1"]}\n{"next": "2"}\n'))
    assert [fault.partition(":")[0] for fault in refused.value.faults] == [
        "users.jsonl, line 1",
        "users.jsonl, line 3",
    ]


def test_a_file_without_histories_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="0 histories; 1 to 10000"):
        read_histories(written(tmp_path, "\n"))
