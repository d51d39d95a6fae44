"""Requests for load tests, made from a bundle."""

from pathlib import Path

from cli.bundles import store_at, store_errors_told
from cli.errors import Refused, told_as
from cli.output import show, show_json
from loadtest.errors import LoadRefused
from loadtest.requests import Wanted, as_ghz_data, frame, requests_of


def write_data(
    out: Path, store_url: str | None, model: str, wanted: Wanted, *, as_json: bool
) -> None:
    """Write requests.json (ghz, `steerrec load`) and body.frame (h2load), and print their names.

    Raises:
        NotFound: there is no such bundle.
        Refused: it does not verify, has nothing that rules name, or the folder cannot be written.
    """
    with store_errors_told():
        bundle = store_at(store_url).load(model)
    with told_as(Refused, LoadRefused, OSError):
        requests = list(requests_of(bundle, wanted))
        out.mkdir(parents=True, exist_ok=True)
        files = {"requests": out / "requests.json", "frame": out / "body.frame"}
        files["requests"].write_text(as_ghz_data(requests), encoding="utf-8")
        files["frame"].write_bytes(frame(requests[0].SerializeToString(deterministic=True)))
    if as_json:
        names = {name: str(path) for name, path in files.items()}
        show_json({"model": bundle.version, "count": len(requests), **names})
    else:
        written = ", ".join(map(str, files.values()))
        show(f"{len(requests)} requests of {bundle.version}: {written}")
