"""The bundle that a service answers from."""

from steerrec.v1 import model_pb2

from cli.bundles import metrics_table
from cli.client import Client
from cli.output import note, show, show_json, table


def served(client: Client, model: str) -> model_pb2.GetServedModelResponse:
    """The served bundle of a label or version; empty: production."""
    request = model_pb2.GetServedModelRequest(model=model)
    return client.call(client.models.GetServedModel, request)


def show_served(reply: model_pb2.GetServedModelResponse, *, as_json: bool) -> None:
    """Print what it is, since when it is served, and its metrics."""
    if as_json:
        show_json(reply)
        return
    model = reply.model
    kind = model_pb2.SaeKind.Name(model.sae_kind).removeprefix("SAE_KIND_").lower()
    made = table("fact", "value")
    for fact, value in (
        ("version", model.version),
        ("labels", ", ".join(model.labels) or "none"),
        ("served since (UTC)", f"{reply.load_time.ToDatetime():%Y-%m-%d %H:%M:%S}"),
        ("data", model.data_name),
        ("base model", f"{model.n_items} items, d_model {model.d_model}, seq {model.max_seq}"),
        ("hook point", f"block {model.hook_block}"),
        ("SAE", f"{kind}, {model.d_sae} features"),
        ("feature space", model.feature_space),
        ("precision", _precision(model)),
    ):
        made.add_row(fact, value)
    show(made, metrics_table(model.metrics))
    for label, why in sorted(reply.label_faults.items()):
        note(f"warning: label {label} cannot be followed, this is what it pointed to before: {why}")


def _precision(model: model_pb2.Model) -> str:
    if not model.precision:
        return "not said"
    name = model_pb2.Precision.Name(model.precision).removeprefix("PRECISION_").lower()
    if not model.HasField("variant"):
        return name
    own = model.variant
    return f"{name} of {own.base_version}, overlap@10 {own.overlap_at_10:.3f}"
