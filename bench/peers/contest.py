"""The servers of one run: started, checked, and measured by turns."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from bench.peers import repeated
from bench.peers.comparison import CLOSED, ONE_QUESTION, SHOWN, Load, Measured
from bench.peers.contenders import (
    Client,
    Contender,
    Running,
    Slate,
    answer_bytes,
    check_same,
    ours,
    rival,
    slates,
)
from bench.peers.environments import Missing
from bench.peers.peer import Exported, Peer
from bench.peers.questions import Question, questions_of
from bench.requests import kept_bytes
from model_store.bundle import Bundle
from model_store.manifest import Precision
from model_store.store import Store

Got = TypeVar("Got")
N_CHECKED = 50
WORKERS = (1, 2)
TUNED_AT = 64
"""Calls in flight at which the best of a peer's tunings is chosen."""
AS_SHIPPED = "steerrec, int8"
MOST_FAILED = 0.1
"""Share of a closed loop's calls that may fail; beyond it the server's figures mean nothing."""
FAULTS = (Missing, subprocess.SubprocessError, OSError)
"""What a server that breaks may raise here."""


@dataclass
class Contest:
    """All that one run shares."""

    root: str
    """Of the store."""
    folder: Path
    """For what only this run needs."""
    seconds: float
    """Of each load."""
    repeated_share: float
    """Of the questions, how many have an earlier one's history; ours then keeps hidden states."""
    is_quick: bool
    """The first tuning of each, and the loads that have rows."""
    stack: ExitStack
    """Ends what was started."""
    client: Client = field(default_factory=Client)
    graphs: dict[Exported, Path] = field(default_factory=dict)
    """The exported files, once they are written."""
    missing: dict[str, str] = field(default_factory=dict)
    """Servers that are not measured, and why."""
    running: dict[str, Running] = field(default_factory=dict)
    """By the contender's key."""
    tuned: dict[str, list[str]] = field(default_factory=dict)
    """By peer, what each of its tunings answered a second."""

    @cached_property
    def bundle(self) -> Bundle:
        """That everybody serves."""
        return Store(self.root).load("production")

    @cached_property
    def questions(self) -> list[Question]:
        """The same for everybody."""
        return questions_of(self.bundle, self.repeated_share)

    def start_ours(self, *, as_shipped: bool) -> list[Measured]:
        """The service in one process and in several, paused.

        Args:
            as_shipped: whether also with what the peers' graph has not: int8, and hidden states
                kept. Its answers are its own, within the gate of `steerrec models variant`.
        """
        kept = kept_bytes(self.bundle) if self.repeated_share else 0
        every = [
            ours(self.bundle, self.root, self.questions, workers, kept, self.folder)
            for workers in WORKERS
        ]
        if as_shipped:
            own = ours(
                self.bundle,
                int8_store(self.root, self.folder),
                self.questions,
                max(WORKERS),
                kept_bytes(self.bundle),
                self.folder,
                name=AS_SHIPPED,
            )
            every.append(own)
        return [self._entered(own) for own in every]

    def expected(self, own: Measured) -> list[Slate]:
        """The service's answers to the first questions."""
        return self._awake(own.contender, self._slates)

    def start_rivals(self, peers: Sequence[Peer], expected: Sequence[Slate]) -> Iterator[Measured]:
        """Every peer that answers as the service does, in the best of its tunings, paused."""
        try:
            if peers:
                self._write_graphs()
        except RuntimeError as fault:  # torch's, of weights that are not SASRec's
            reason = str(fault).partition("\n")[0]
            self.missing["every other server"] = f"the graph cannot be exported: {reason}"
            return
        for peer in peers:
            note(f"{peer.name}: install, start, check")
            tunings = peer.tunings[:1] if self.is_quick else peer.tunings
            own = [
                rival(peer, tuned, self.graphs, self.questions, self.client) for tuned in tunings
            ]
            try:
                measured = self._entered(self._best(own))
                check_same(self._awake(measured.contender, self._slates), expected)
            except FAULTS as fault:
                self.missing[peer.name] = str(fault)
            else:
                yield measured

    def measure(self, measured: Sequence[Measured], rates: Sequence[float]) -> list[Measured]:
        """Those that went through one more repetition, with open loops of these rates."""
        return [own for own in measured if self._is_measured(own, rates)]

    def _is_measured(self, own: Measured, rates: Sequence[float]) -> bool:
        note(own.contender.key)
        try:
            self._awake(own.contender, lambda *_: self._measure(own, rates))
        except FAULTS as fault:
            self.missing[own.contender.key] = str(fault)
            return False
        return True

    def _measure(self, own: Measured, rates: Sequence[float]) -> None:
        for in_flight in SHOWN if self.is_quick else CLOSED:
            own.add(in_flight, self._loaded(own.contender, in_flight=in_flight))
        for rate in rates:
            load: Load = f"{rate:,.0f} a second"
            own.add(load, self._loaded(own.contender, rate=rate))
        if repeated.is_installed():
            self._repeat(own)

    def _loaded(self, own: Contender, *, in_flight: int = 0, rate: float = 0) -> dict[str, float]:
        """Figures of one load, and the processor time that a call took of the server.

        Raises:
            Missing: too many calls failed.
        """
        running = self.running[own.key]
        before = running.tree.processor_s()
        figures = self.client.load(own, running.port, self.seconds, in_flight=in_flight, rate=rate)
        taken = running.tree.processor_s() - before
        # an open loop may be above what it can answer; then refusals are right, and in the table
        if in_flight and figures["failed"] > MOST_FAILED * figures["calls"]:
            raise Missing(f"{figures['failed']:.0f} of {figures['calls']:.0f} calls failed")
        return figures | {"server_ms": taken / max(figures["calls"], 1) * 1e3}

    def _repeat(self, own: Measured) -> None:
        contender, port = own.contender, self.running[own.contender.key].port
        try:
            size = answer_bytes(self.client, contender, port)
            own.add(ONE_QUESTION, repeated.repeated(contender, port, self.seconds, size))
        except Missing as missing:
            self.missing[f"{contender.key}, {ONE_QUESTION}"] = str(missing)

    def _best(self, tunings: Sequence[Contender]) -> Contender:
        """The tuning that answers most; of those that cannot start, the first's reason.

        Raises:
            Missing: none of them can be started.
        """
        if len(tunings) == 1:
            return tunings[0]
        rates: dict[str, float] = {}
        faults: list[Missing] = []
        for own in tunings:
            try:
                with own.start() as running:
                    figures = self.client.load(own, running.port, self.seconds, in_flight=TUNED_AT)
            except Missing as missing:
                faults.append(missing)
                if len(faults) == len(tunings):
                    raise faults[0] from None
                continue
            rates[own.tuning] = figures["per_s"]
            self.tuned.setdefault(own.name, []).append(f"{own.tuning}: {figures['per_s']:,.0f}")
        return max(tunings, key=lambda own: rates.get(own.tuning, 0.0))

    def _entered(self, own: Contender) -> Measured:
        """Started, kept until the end of the run, and paused."""
        self.running[own.key] = running = self.stack.enter_context(own.start())
        if own.may_be_paused:
            running.tree.pause()
        return Measured(own)

    def _awake(self, own: Contender, use: Callable[[Contender, Running], Got]) -> Got:
        running = self.running[own.key]
        running.tree.resume()
        try:
            return use(own, running)
        finally:
            if own.may_be_paused:
                running.tree.pause()

    def _slates(self, own: Contender, running: Running) -> list[Slate]:
        return slates(self.client, own, running.port, N_CHECKED)

    def _write_graphs(self) -> None:
        # torch takes seconds to import, and who measures ours alone does without
        from training.steered_graph import write  # noqa: PLC0415

        with Store(self.root).opened("production") as folder:
            for exported in Exported:
                self.graphs[exported] = self.folder / f"{exported}.onnx"
                write(folder, self.graphs[exported], is_naive=exported is Exported.NAIVE)


def int8_store(root: str, folder: Path) -> str:
    """Root of a store that serves the int8 variant of what another one serves.

    Raises:
        VariantRefused: it keeps too little to be published.
    """
    # torch takes seconds to import, and who measures float32 alone does without
    from training.variant import publish_variant  # noqa: PLC0415

    source, own = Store(root), Store(str(folder / "int8"))
    version = source.resolve("production")
    with source.opened(version) as opened:
        own.publish(opened, source.manifest(version))
    made = publish_variant(own, version, Precision.INT8)
    own.promote("production", made.manifest.version)
    return own.root


def note(what: str) -> None:
    """Says what is under way, where somebody looks."""
    if sys.stderr.isatty():
        print(f"\r{what:100}", end="", file=sys.stderr)
