"""A bundle once more in lower precision: what it keeps, and whether that is enough."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.bundles import store_at
from cli.errors import Refused
from cli.output import show, show_json, table
from cli.training_run import training_errors_told
from model_store.causes import cause_of
from model_store.manifest import Precision
from training.builtin import load_dataset
from training.variant import Least, Made, publish_variant

PRECISIONS = {
    "int8": Precision.INT8,
    "bf16": Precision.BFLOAT16,
    "bfloat16": Precision.BFLOAT16,
}
"""By what a caller may write."""


def publish(
    label_or_version: str,
    precision: str,
    *,
    data: str | None,
    files: Path | None,
    least: tuple[float, float, float],
    store_url: str | None,
    as_json: bool,
) -> None:
    """Make, judge and publish the variant, and print what it keeps.

    Raises:
        Refused: it keeps too little, or what was asked cannot be done.
        NotFound: there is no such bundle.
    """
    if precision not in PRECISIONS:
        raise Refused(f"--precision: {precision!r} is not one of {', '.join(PRECISIONS)}")
    store = store_at(store_url)
    with training_errors_told(), _files_told():
        store.check_writable()
        dataset = load_dataset(data, files=files) if data is not None else None
        made = publish_variant(
            store,
            label_or_version,
            PRECISIONS[precision],
            dataset=dataset,
            least=Least(*least),
            report=_ignored if as_json else _show,
        )
    if as_json:
        show_json(made.manifest.model_dump(mode="json"))
    else:
        show(f"published: {made.manifest.version}; `steerrec models promote` makes it served")


@contextmanager
def _files_told() -> Iterator[None]:
    """Ends the command with what keeps a file from being read or written, here or while passing."""
    try:
        yield
    except OSError as error:
        place = error.filename2 or error.filename or tempfile.gettempdir()
        raise Refused(f"{place} cannot be read or written: {cause_of(error)}") from error


def _ignored(_made: Made, _least: Least) -> None:
    """JSON is one document, printed at the end."""


def _show(made: Made, least: Least) -> None:
    """The gate, figure by figure."""
    judged = made.judged
    shown = table("figure", "kept", "at least", "", right=("kept", "at least"))
    for figure, smallest in least._asdict().items():
        value = getattr(judged, figure)
        if value is None:
            shown.add_row(figure, "", f"{smallest:g}", "not known without --data")
        else:
            shown.add_row(figure, f"{value:.4f}", f"{smallest:g}", _verdict(value, smallest))
    before, after = (size / 2**20 for size in made.size_bytes)
    show(
        f"{made.manifest.precision} of {judged.of}: {judged.n_histories} histories, "
        f"{judged.histories}; {before:.1f} MiB -> {after:.1f} MiB",
        shown,
    )


def _verdict(value: float, smallest: float) -> str:
    return "kept" if value >= smallest else "too little"
