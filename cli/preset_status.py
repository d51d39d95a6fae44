"""Which replica serves which revision, and whether all serve what is in force."""

import time
from collections.abc import Iterator
from typing import NamedTuple

from rich.table import Table
from rich.text import Text
from steerrec.v1 import preset_pb2

from cli.client import Client
from cli.errors import CallRefused, NotFound, Refused
from cli.exit_code import ExitCode
from cli.output import show, show_json, table
from cli.spelling import nearest
from cli.stored_presets import listed, moment, revisions

LOOK_S = 0.1
"""Between two looks of one who waits: below what a person notices."""


class Status(NamedTuple):
    """What the replicas told, and what is short of "all serve what is in force"."""

    reply: preset_pb2.GetStatusResponse
    faults: list[str]
    """One sentence for each replica and preset that lags, and for the store; empty: none."""


def status(client: Client, name: str) -> Status:
    """Where every replica stands, compared with the chain's own tip.

    Raises:
        CallRefused: the service refused.
    """
    # the tip first: a replica that told afterwards may be ahead of it, never falsely behind
    tip = _tip(client)
    reply = client.call(client.presets.GetStatus, preset_pb2.GetStatusRequest(name=name))
    return Status(reply, list(faults_of(reply, tip)))


def awaited(client: Client, name: str, wait_s: float) -> Status:
    """The status once all replicas serve what is in force, or after `wait_s` seconds.

    Raises:
        NotFound: a preset is named that does not exist or never was in force.
    """
    if name:
        _check_was_in_force(client, name)
    end = time.monotonic() + wait_s
    while True:
        found = status(client, name)
        if not found.faults or time.monotonic() > end:
            return found
        time.sleep(LOOK_S)


def show_status(found: Status, *, as_json: bool) -> None:
    """Print where the store and every replica stand.

    Raises:
        Refused: a replica does not serve what is in force; with each such replica.
    """
    if as_json:
        show_json(found.reply)
    else:
        show(_store_line(found.reply), _replicas(found.reply))
        presets = _presets(found.reply)
        if presets.row_count:
            show(presets)
    if found.faults:
        raise Refused(found.faults)


def _check_was_in_force(client: Client, name: str) -> None:
    """Raises NotFound where it never was; passes where the store cannot tell."""
    try:
        kept = revisions(client, name)
    except CallRefused as refused:
        if refused.exit_code is not ExitCode.NOT_FOUND:
            return
        near = nearest(name, [one.name for one in listed(client, show_deleted=False)])
        hint = f"; did you mean {near!r}?" if near else ""
        raise NotFound(f"there is no preset {name!r}{hint}") from refused
    if all(one.state == preset_pb2.PRESET_STATE_DRAFT for one in kept):
        raise NotFound(f"preset {name!r} is only a draft; publish it")


def _tip(client: Client) -> int:
    """Events in the chain; 0 where the store cannot be asked."""
    request = preset_pb2.ListAuditEventsRequest(page_size=1)
    try:
        return client.call(client.presets.ListAuditEvents, request).tip_sequence
    except CallRefused:
        return 0


def faults_of(reply: preset_pb2.GetStatusResponse, tip: int) -> Iterator[str]:
    """What is short of "all serve what is in force", a sentence each."""
    if reply.store_state != preset_pb2.STORE_STATE_CONNECTED:
        yield f"the store of presets: {store_state(reply)}"
    elif reply.message:
        yield f"the store of presets: {reply.message}"
    newest = max([tip, *(replica.audit_sequence for replica in reply.replicas)])
    for replica in reply.replicas:
        if replica.audit_sequence < newest:
            yield f"{replica.replica_id}: serves event {replica.audit_sequence} of {newest}"
        for bundle in replica.bundles:
            for preset in bundle.presets:
                if preset.served_revision != preset.revision_in_force:
                    yield f"{replica.replica_id}: {bundle.label}: {_lag(preset)}"


def _lag(preset: preset_pb2.ServedPreset) -> str:
    served = f"revision {preset.served_revision}" if preset.served_revision else "nothing"
    return (
        f"{preset.name} is served at {served}, in force is {preset.revision_in_force}: "
        f"{preset.message or 'not yet'}"
    )


def store_state(reply: preset_pb2.GetStatusResponse) -> str:
    """Where the store stands, in lower case."""
    name = preset_pb2.StoreState.Name(reply.store_state).removeprefix("STORE_STATE_")
    return name.lower().replace("_", " ")


def _store_line(reply: preset_pb2.GetStatusResponse) -> Text:
    has_fault = reply.store_state == preset_pb2.STORE_STATE_CONNECTED and reply.message
    but = " with faults" if has_fault else ""
    text = Text(f"store {store_state(reply)}{but}, presets known as of {reply.age_s:.1f} s ago")
    text.append(f" · answered by {reply.answered_by}", style="dim")
    if reply.message and not has_fault:  # a fault comes last, as an error
        text.append(f"\n{reply.message}", style="yellow")
    return text


def _replicas(reply: preset_pb2.GetStatusResponse) -> Table:
    columns = ("replica", "told", "event", "label", "model", "presets as in force", "others")
    made = table(*columns, right=("event", "presets as in force", "others"))
    for replica in reply.replicas:
        for bundle in replica.bundles:
            n_lagging = sum(p.served_revision != p.revision_in_force for p in bundle.presets)
            made.add_row(
                replica.replica_id,
                moment(replica.report_time),
                str(replica.audit_sequence),
                bundle.label,
                bundle.model_version,
                str(bundle.current_count),
                str(n_lagging),
            )
    return made


def _presets(reply: preset_pb2.GetStatusResponse) -> Table:
    """The preset asked for, or those that are not served as they are in force."""
    columns = ("preset", "replica", "label", "in force", "served", "why")
    made = table(*columns, right=("in force", "served"))
    for replica in reply.replicas:
        for bundle in replica.bundles:
            for preset in bundle.presets:
                made.add_row(
                    preset.name,
                    replica.replica_id,
                    bundle.label,
                    str(preset.revision_in_force),
                    str(preset.served_revision),
                    preset.message,
                )
    return made
