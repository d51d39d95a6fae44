"""The whole demo, with a small model: what `make demo` does, start to end."""

import os
import re
from pathlib import Path

import pytest

from tests.e2e.cli_runs import steerrec
from training.config import TINY

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def shown(bundle_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the demo printed; the steps of the training are those of `bundle_dir`."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "work").symlink_to(bundle_dir.parent / "work")
    config = folder / "tiny.yaml"
    config.write_text(TINY.model_dump_json())  # JSON is YAML
    words = ("demo", "--dir", str(folder), "--config", str(config), "--users", "20")
    done = steerrec(*words, timeout_s=200)
    assert done.code == 0, done.err
    return done.out + done.err


def test_it_stores_two_presets(shown: str) -> None:
    assert "family-evening" in shown
    assert "less-thriller" in shown


def test_it_shows_titles_and_rank_moves(shown: str) -> None:
    assert re.search(r"│ .*[a-z].* │ +[+-]\d+ │", shown)


def test_it_shows_the_share_before_and_after(shown: str) -> None:
    assert re.search(r"share of genre=Children's in the top 20: \d+% -> \d+%", shown)


def test_it_measures_test_users_through_the_service(shown: str) -> None:
    assert "20 test users, top 20, through the service" in shown


def test_it_shows_the_metrics_of_its_calls(shown: str) -> None:
    assert "/steerrec.v1.RecommenderService/BatchRecommend" in shown


def test_nothing_is_left_running(shown: str) -> None:
    pids = [int(pid) for pid in re.findall(r"redis-server (\d+)", shown)]
    assert "everything is stopped" in shown
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_config_that_cannot_be_is_refused_by_its_file_and_key(tmp_path: Path) -> None:
    config = tmp_path / "bad.yaml"
    config.write_text("base: {max_epoch: 1}\n")
    done = steerrec("demo", "--dir", str(tmp_path), "--config", str(config))
    assert done.code == 1
    assert "bad.yaml" in done.err
    assert "max_epoch" in done.err
    assert "fault of steerrec" not in done.err
