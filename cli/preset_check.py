"""Checking preset files further: against a bundle of a store, and by a running service."""

from collections.abc import Iterator, Sequence

from cli.apply_plan import planned_all
from cli.bundles import store_at
from cli.client import connected
from cli.empty_store import store_named
from cli.errors import Refused
from cli.output import show, show_json
from cli.preset_file import PresetFile
from model_store.bundle import Bundle
from service.presets.conditions import compile_condition
from service.snapshot import feature_space_of
from steering.errors import RuleConflict, RulesRefused
from steering.plan import check_layer
from steering.resolved import resolve_rules


def check_in_bundle(files: Sequence[PresetFile], store_url: str | None, model: str) -> str:
    """What the files were checked against: a bundle that has all that they name.

    Raises:
        Refused: with every rule that this bundle cannot honour.
        NotFound: no such label or version; with the store that was looked at.
    """
    store = store_at(store_url)
    with store_named(store):
        bundle = store.load(model)
    if faults := [fault for file in files for fault in _bundle_faults(file, bundle)]:
        raise Refused(faults)
    return f"bundle {bundle.version}"


def check_by_service(
    files: Sequence[PresetFile], author: str, address: str, timeout_s: float
) -> str:
    """What the files were checked by: a service that would take them all. Nothing is stored.

    Raises:
        CallRefused: by the service, with the fields at fault, of every file.
    """
    with connected(address, timeout_s) as client:
        planned_all(client, files, author, "steerrec preset check --server", as_draft=False)
    return f"service {address}"


def show_checked(files: Sequence[PresetFile], against: Sequence[str], *, as_json: bool) -> None:
    """Print that each file is sound, and how far that was looked into."""
    if as_json:
        show_json([_report(file, against) for file in files])
        return
    seen = f"checked against {' and '.join(against)}" if against else "no bundle was looked at"
    for file in files:
        show(f"{file.source.path}: {file.preset.name} is sound, {len(file.rules)} rules; {seen}")


def _report(file: PresetFile, against: Sequence[str]) -> dict[str, object]:
    return {
        "file": str(file.source.path),
        "name": file.preset.name,
        "rules": len(file.rules),
        "against": against,
    }


def _bundle_faults(file: PresetFile, bundle: Bundle) -> Iterator[str]:
    preset = file.preset
    if preset.feature_space not in (None, bundle.feature_space):
        yield (
            f"{file.source.path.name}: feature_space: {preset.feature_space} is not that of bundle "
            f"{bundle.version}, {bundle.feature_space}; its feature indices mean something else"
        )
    try:
        check_layer(resolve_rules(file.rules, feature_space_of(bundle), compile_condition))
    except RulesRefused as refused:
        yield from map(file.source.rule_fault, refused.faults)
    except RuleConflict as conflict:
        yield file.source.rule_fault(conflict)
