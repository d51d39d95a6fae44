"""The committed stubs are those of the .proto files."""

from pathlib import Path

import pytest

from tests.contract.stubs import SOURCE, generate

COMMITTED = sorted(
    path.relative_to(SOURCE) for path in SOURCE.glob("steerrec/v1/*_pb2*") if path.is_file()
)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("stubs")
    generate(out)
    return out


def test_every_stub_is_committed(generated: Path) -> None:
    made = {path.relative_to(generated) for path in generated.rglob("*_pb2*") if path.is_file()}
    assert made == set(COMMITTED)


@pytest.mark.parametrize("stub", COMMITTED, ids=str)
def test_a_stub_is_what_make_proto_gives(generated: Path, stub: Path) -> None:
    assert (SOURCE / stub).read_text() == (generated / stub).read_text()
