"""The service beside other servers that run the same steered graph: one table.

    python -m bench.peers [--workload S|M | --store ROOT] [--peers NAME ...] [--repetitions N]
                          [--seconds S] [--repeated-share SHARE] [--as-shipped]
    python -m bench.peers --quick

Every server is loaded once per repetition, by turns; while one is, the others are paused. Ratios
are taken within a repetition, and the table shows medians. docs/performance.md says what the
columns mean, docs/adr/0016-peers.md why it is done so.
"""

import argparse
import os
import platform
import shlex
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

from bench import synthetic
from bench.peers import known, repeated
from bench.peers.comparison import OPEN_SHARES, Measured, best_of_ours, show
from bench.peers.contest import N_CHECKED, Contest
from bench.peers.peer import Peer
from model_store.bundle import Bundle

BUSY = 64
"""Calls in flight of what open loops take their rates from."""
QUICK_SECONDS = 0.4


def main() -> None:
    """Measures and prints."""
    chosen = _arguments()
    if find_spec("pycurl") is None:
        sys.exit("bench.peers needs pycurl, which the dev extra brings: pip install -e '.[dev]'")
    # paused servers would outlive a run that just ended
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    load_before = os.getloadavg()[0]
    root = chosen.store or synthetic.stored(chosen.workload)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        contest = Contest(root, folder, chosen.seconds, chosen.repeated_share, chosen.quick, stack)
        wanted = list(_peers(contest.bundle, chosen.peers))
        measured = contest.start_ours(as_shipped=chosen.as_shipped)
        expected = contest.expected(measured[0])
        measured += contest.start_rivals(wanted, expected)
        measured = _measured(contest, measured, chosen.repetitions)
    show(measured, _title(contest, chosen.repetitions, load_before))
    print("\n".join(_notes(contest)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.peers", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--workload", choices=["S", "M"], default="M")
    parser.add_argument("--store", help="root of a store whose production bundle is measured")
    parser.add_argument(
        "--peers", nargs="*", metavar="NAME", help="parts of names, e.g. triton ray; none: ours"
    )
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each load")
    parser.add_argument(
        "--repeated-share", type=float, default=0.0, help="of the histories, e.g. 0.3"
    )
    parser.add_argument(
        "--as-shipped", action="store_true", help="also ours in int8 with hidden states kept"
    )
    parser.add_argument("--quick", action="store_true", help="once and briefly: a look, no figures")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.repetitions, chosen.seconds = 1, QUICK_SECONDS
    return chosen


def _peers(bundle: Bundle, names: Sequence[str] | None) -> Iterator[Peer]:
    """Those whose names hold one of these; None: all."""
    manifest = bundle.manifest
    sizes = known.Sizes(manifest.base_model.max_seq, manifest.sae.d_sae)
    for peer in known.peers(sizes):
        if names is None or any(name.lower() in peer.name.lower() for name in names):
            yield peer


def _measured(contest: Contest, measured: list[Measured], repetitions: int) -> list[Measured]:
    """Those that went through all repetitions."""
    rates: list[float] = []
    for _ in range(repetitions):
        measured = contest.measure(measured, rates)
        if not rates:
            busy = best_of_ours(measured, BUSY).median(BUSY, "per_s") or 0.0
            rates = [round(share * busy, -2) for share in OPEN_SHARES]
    return measured


def _title(contest: Contest, repetitions: int, load_before: float) -> str:
    shape = contest.bundle.manifest.base_model
    return (
        f"python -m bench.peers {shlex.join(sys.argv[1:])}\n"
        f"{os.cpu_count()} cores, {platform.processor() or platform.machine()},"
        f" Python {platform.python_version()}, load average before {load_before:.1f}\n"
        f"{contest.bundle.version}: {shape.n_items:,} items, d {shape.d_model},"
        f" seq {shape.max_seq}, SAE {contest.bundle.manifest.sae.d_sae:,};"
        f" medians of {repetitions}; {N_CHECKED} questions answered alike by all"
    )


def _notes(contest: Contest) -> Iterator[str]:
    """What the table leaves out."""
    for name, rates in contest.tuned.items():
        yield f"{name}, answers a second at 64 in flight: {'; '.join(rates)}"
    for name, reason in contest.missing.items():
        yield f"missing: {name}: {reason}"
    if not repeated.is_installed():
        yield "missing: h2load (Debian's nghttp2-client), so no rows of one question repeated"


if __name__ == "__main__":
    main()
