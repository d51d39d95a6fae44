"""Whatever words a command line is made of, it ends with a documented status and no traceback."""

import io
import json
import shutil
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from cli.command_tree import command
from cli.demo.replica_process import running
from cli.exit_code import ExitCode
from cli.main import run
from cli.options import ADDRESS_VARIABLE
from model_store.store import Store
from tests.e2e.cli_runs import steerrec
from tests.fuzzing import bounded

pytestmark = pytest.mark.e2e

EXPECTED = {code.value for code in ExitCode} - {ExitCode.FAULT.value}
ENDLESS = {"serve", "demo", "study", "train"}
"""Commands that run for long once their words are right; of train, the step `data` is tried."""
NOT_TRIED = {"--wait", "--address", "--config", "--data", "--help", "--files"}
"""Options that wait, dial elsewhere, fetch, or send a load."""
PRESET = "name: scary\nrules:\n  - {attribute: genre=Horror, operation: ADD, value: 1}\n"
FILES = {
    "preset.yaml": PRESET.encode(),
    "odd.yaml": b"name: [scary\nrules: {{",
    "latin.yaml": "name: caf\u00e9".encode("latin-1"),
    "mark.yaml": PRESET.encode("utf-16"),
    "histories.jsonl": b'{"history": ["i1"]}\n{"history": ["i2", "i3"], "context": {"x": 1}}\n',
    "odd.jsonl": b'{"history": ["\\ud800"], "context": {"x": 1e999}}\n',
    "bytes": bytes(range(256)),
    "empty.yaml": b"",
    "data.csv": b"user_id,item_id,timestamp\nu1,i1,1\nu1,i2,2\nu2,i1,x\n",
}
WORDS = (
    *("", " ", "-", "--", "-1", "0", "1", "2", "10", "1000", "1001", "0.5", "1e400", "nan", "-inf"),
    *("99999999999999999999", "2147483648", "-2147483649", "9223372036854775808", "1" + "0" * 5000),
    *("genre=Horror:ADD:1", "12:SCALE:0", "99999999999:ADD:1", "genre=:ADD:x", "0:SET:nan:raw"),
    *("genre=Horror", "genre=Horror:0.4", "genre=Horror:400%", "=", "a=b", "x=1e400", "x=[[[["),
    *(
        'x="\\ud800"',
        "x=9007199254740993",
        "scary",
        "scary@1",
        "scary@0",
        "scary@99999999999999999",
    ),
    *(
        "Scary!",
        "production",
        "canary",
        "int8",
        "attribute",
        "i1",
        "i2",
        "none@",
        "@",
        "DROPPED=nan",
    ),
    *(
        "1:0",
        "9" * 5000 + ":x",
        "2026-12-01T18:00:00Z",
        "9999-12-31T23:59:59-14:00",
        "\u202e",
        "\x1b[2J",
    ),
    *("30s", "1h", "constant", "step", "user=u", "items.title=t", "genre=g:|", "\udcff\udcfe"),
)
"""What options and arguments are made for, what they are not, and what is nearly right."""


class Command(NamedTuple):
    """A command that is tried, and its parameters."""

    words: tuple[str, ...]
    options: tuple[str, ...]
    """Spellings of those that take a value."""
    flags: tuple[str, ...]


def commands(inner: Any, words: tuple[str, ...] = ()) -> Iterator[Command]:
    """Every command, also those that have further ones below them."""
    for name, below in getattr(inner, "commands", {}).items():
        if words or name not in ENDLESS:
            yield from commands(below, (*words, name))
    if words == () or (words[0] == "train" and words != ("train", "data")):
        return
    options = [one for one in inner.params if not NOT_TRIED.intersection(one.opts)]
    spelled = [one.opts[-1] for one in options if one.opts[-1].startswith("-")]
    flags = [one.opts[-1] for one in options if getattr(one, "is_flag", False)]
    yield Command(words, tuple(sorted({*spelled} - {*flags})), tuple(flags))


TREE = command()
ALL = sorted((*commands(TREE), *commands(TREE.commands["train"], ("train",))))  # type: ignore[attr-defined]


def lines(words: SearchStrategy[str]) -> SearchStrategy[list[str]]:
    """Command lines that are right as far as their commands and the names of options go."""

    @st.composite
    def line(draw: st.DrawFn) -> list[str]:
        chosen = draw(st.sampled_from(ALL))
        pairs = st.tuples(st.sampled_from(chosen.options or ("--json",)), words)
        options = draw(st.lists(pairs, max_size=4))
        flags = draw(
            st.lists(st.sampled_from(chosen.flags or ("--json",)), max_size=2, unique=True)
        )
        arguments = draw(st.lists(words, max_size=3))
        return [*chosen.words, *arguments, *(one for pair in options for one in pair), *flags]

    return line()


@pytest.fixture(scope="module")
def folder(tiny_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where commands run: odd files, and a store of their own to promote and roll back in."""
    own = tmp_path_factory.mktemp("fuzzed")
    for name, content in FILES.items():
        (own / name).write_bytes(content)
    shutil.copytree(tiny_store.root, own / "store")
    (own / "presets").mkdir()
    return own


@pytest.fixture(scope="module")
def words(folder: Path) -> SearchStrategy[str]:
    """Any word: made for something, the name of a file, or any text that a shell can pass."""
    names = (*FILES, "store", "presets", "none.yaml", "no/such/folder", "x" * 300, "presets/out")
    return st.one_of(
        st.sampled_from(WORDS),
        st.sampled_from([*names, str(folder / "store")]),
        st.text(st.characters(exclude_characters="\0"), max_size=30),
        st.integers().map(str),
        st.floats().map(str),
    )


@pytest.fixture(scope="module")
def address(tiny_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a running replica."""
    with running(tmp_path_factory.mktemp("replica"), tiny_store.root) as replica:
        yield replica.grpc


def check(line: list[str]) -> None:
    """The line ends with a status that docs/cli.md lists, and no traceback."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = run(line)
    assert status in EXPECTED, err.getvalue()
    assert "Traceback" not in out.getvalue() + err.getvalue()
    assert status == 0 or err.getvalue() or out.getvalue()


def tried(folder: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Sets up where commands run, and what they speak to."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv(ADDRESS_VARIABLE, address)
    monkeypatch.setenv("STEERREC_DATA_DIR", str(folder / "data"))
    monkeypatch.setenv("STEERREC_CLIENT_DEBUG", "1")
    monkeypatch.setenv("LOGNAME", "ada")


def test_any_line_ends_with_a_sentence_before_a_running_service(
    folder: Path, words: SearchStrategy[str], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried(folder, monkeypatch, address)

    @bounded(80)
    @given(line=lines(words))
    def fuzz(line: list[str]) -> None:
        check(line)

    fuzz()


@pytest.mark.parametrize(
    "odd", ["127.0.0.1:1", "http://h", "unix:none", "[::1]:1", "::1", "\udcff"]
)
def test_any_line_ends_with_a_sentence_where_no_service_answers(
    odd: str, folder: Path, words: SearchStrategy[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried(folder, monkeypatch, odd)

    @bounded(10)
    @given(line=lines(words))
    def fuzz(line: list[str]) -> None:
        check(line)

    fuzz()


def test_lines_of_any_words_end_with_a_sentence(
    folder: Path, words: SearchStrategy[str], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried(folder, monkeypatch, address)
    names = sorted({word for one in ALL for word in one.words} - ENDLESS)

    @bounded(40)
    @given(line=st.lists(st.one_of(st.sampled_from(names), words), max_size=6))
    def fuzz(line: list[str]) -> None:
        check([word for word in line if word not in ENDLESS])

    fuzz()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-16"])
def test_a_process_of_any_encoding_ends_with_a_sentence(
    encoding: str,
    folder: Path,
    words: SearchStrategy[str],
    address: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried(folder, monkeypatch, address)

    @bounded(2)
    @given(line=lines(words.filter(lambda word: len(word) < 1000)))
    def fuzz(line: list[str]) -> None:
        done = steerrec(*line, PYTHONIOENCODING=encoding, STEERREC_CLIENT_ADDRESS=address)
        assert done.code in EXPECTED, (line, done.err)
        assert "Traceback" not in done.out + done.err

    fuzz()


@pytest.mark.parametrize("number", ["1e400", "NaN", '"\\ud800"', "1" + "0" * 5000, "[" * 2000])
@pytest.mark.parametrize("place", ["history", "context", "next"])
def test_a_history_of_anything_ends_with_a_sentence(
    number: str, place: str, folder: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried(folder, monkeypatch, address)
    parts = {"history": '["i1"]', "context": '{"x": 1}', "next": '"i2"'}
    own = {"history": f"[{number}]", "context": f'{{"x": {number}}}', "next": number}[place]
    text = ", ".join(f"{json.dumps(key)}: {value}" for key, value in (parts | {place: own}).items())
    (folder / "own.jsonl").write_text(f"{{{text}}}\n")
    check(["recommend", "--histories", "own.jsonl"])
    check(["preset", "preview", "preset.yaml", "--histories", "own.jsonl"])
