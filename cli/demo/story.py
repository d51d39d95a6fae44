"""What the demo does, in order; every step prints what it found."""

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple, NoReturn

from rich.rule import Rule
from steerrec.v1 import rule_pb2

from cli.client import Client, connected
from cli.demo import metrics_page
from cli.demo.control import Effect, TestUser, measured, request_for
from cli.demo.replica_process import Running, running
from cli.errors import extra
from cli.options import DEFAULT_ADDRESS
from cli.output import note, show, table
from cli.preset_apply import apply, show_applied
from cli.preset_file import PresetFile, read_preset
from cli.recommending import compared
from cli.slates import comparison_table, remarks, reports_table, share
from cli.stored_presets import Signature

PRESETS = Path(__file__).parents[1] / "demo_presets"
TIMEOUT_S = 30.0
"""For a batch of full replies on a busy machine."""
LOOK_S = 0.2
"""Between two looks at whether the service still runs."""


class Scene(NamedTuple):
    """One preset of the demo, and the attribute that it is about."""

    file: PresetFile
    attribute: rule_pb2.Attribute

    @property
    def name(self) -> str:
        """Name of the preset."""
        return self.file.preset.name


def run(folder: Path, config: Path | None, *, users: int, keep: bool) -> None:
    """Train or reuse, serve, steer, measure; whatever happens, stop what was started.

    Args:
        folder: where bundle and service data are kept.
        config: of the training; None: the default.
        users: test users of the figure; 0 leaves it out.
        keep: wait for Ctrl-C before stopping.
    """
    with _sigterm_as_interrupt():
        drawn = _prepared(folder, config, max(users, 1))
        _heading("serve")
        bind = DEFAULT_ADDRESS if keep else "127.0.0.1:0"
        with running(folder / "service", str(folder / "bundles"), bind=bind) as replica:
            note(f"gRPC on {replica.grpc}, metrics on {replica.metrics}, embedded Redis")
            with connected(replica.grpc, TIMEOUT_S) as client:
                _steer(client, drawn, users)
            _heading("metrics of these calls")
            show(*metrics_page.tables(metrics_page.page(replica.metrics)))
            if keep:
                _wait(replica, drawn[0])
    note("everything is stopped")


def _prepared(folder: Path, config: Path | None, users: int) -> list[TestUser]:
    """Real users, once a bundle trained on their data is in the folder's store."""
    with extra("train"):
        from cli import training_run
        from cli.demo.data import test_users
        from training.builtin import load_dataset
        from training.config import TrainConfig, read_config
    _heading("data and model")
    with training_run.training_errors_told():
        settings = read_config(config) if config else TrainConfig()
    training_run.run(
        "publish",
        training_run.Wanted("ml-100k", settings, folder / "work", str(folder / "bundles")),
        as_json=False,
    )
    return test_users(load_dataset("ml-100k"), users)


def _steer(client: Client, drawn: Sequence[TestUser], users: int) -> None:
    _heading("presets")
    scenes = [_stored(client, path) for path in sorted(PRESETS.glob("*.yaml"))]
    for scene in scenes:
        _heading(f"user {drawn[0].user_id}, without and with {scene.name}")
        _show_slates(client, drawn[0], scene)
    if users:
        _heading(f"{users} test users, top 20, through the service")
        effects = [measured(client, drawn, s.name, s.attribute) for s in scenes]
        _show_effects(scenes, effects)


def _stored(client: Client, path: Path) -> Scene:
    """The preset of a file, in force, with the attribute of its first rule."""
    file = read_preset(path)
    applied = apply(client, file.preset.message(), Signature("demo", "steerrec demo"))
    show_applied([applied])
    return Scene(file, applied.preset.rules[0].attribute)


def _show_slates(client: Client, user: TestUser, scene: Scene) -> None:
    before, after = compared(client, request_for(user, [scene.name]))
    show(comparison_table(before, after), reports_table(after.rule_reports), remarks(after))
    was, now = (share(reply.items, scene.attribute) for reply in (before, after))
    where = f"{_spelled(scene.attribute)} in the top {len(after.items)}"
    show(f"share of {where}: {was:.0%} -> {now:.0%}")


def _show_effects(scenes: Sequence[Scene], effects: Sequence[Effect]) -> None:
    shares, gains = ("share before", "share after", "factor"), ("NDCG@10 before", "after", "kept")
    made = table("preset", "attribute", *shares, *gains, right=(*shares, *gains))
    for scene, effect in zip(scenes, effects, strict=True):
        made.add_row(
            scene.name,
            _spelled(scene.attribute),
            f"{effect.share_before:.1%}",
            f"{effect.share_after:.1%}",
            f"{effect.share_factor:.2f}",
            f"{effect.ndcg_before:.4f}",
            f"{effect.ndcg_after:.4f}",
            f"{effect.ndcg_kept_share:.0%}",
        )
    show(made)


def _wait(replica: Running, user: TestUser) -> None:
    """Prints commands to try, and waits for Ctrl-C or the service's own end."""
    history = " ".join(user.history[-5:])
    message = f'{{"history": ["{user.history[-1]}"], "presets": [{{"name": "family-evening"}}]}}'
    _heading("the service stays up until Ctrl-C; try")
    show(
        f"steerrec recommend {history} --preset family-evening --compare",
        f"steerrec recommend {history} --rule genre=Horror:ADD:2 --full",
        "steerrec features groups",
        "steerrec preset show family-evening > mine.yaml && steerrec preset apply mine.yaml",
        f"grpcurl -plaintext -d '{message}' {replica.grpc} "
        "steerrec.v1.RecommenderService/Recommend",
        f"curl http://{replica.metrics}/metrics",
    )
    try:
        # by looks: a signal that another thread takes does not end a blocking wait
        while replica.process.poll() is None:
            time.sleep(LOOK_S)
    except KeyboardInterrupt:
        note("stopping")


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Unwinds on SIGTERM as on Ctrl-C, so that the service is stopped then too."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _heading(text: str) -> None:
    show("", Rule(text, align="left", style="bold"))


def _spelled(attribute: rule_pb2.Attribute) -> str:
    return f"{attribute.name}={attribute.value}"
