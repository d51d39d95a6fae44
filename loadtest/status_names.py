"""gRPC statuses as ghz, which is written in Go, spells them."""

import grpc

CANCELLED = "Canceled"
GHZ_NAMES = {
    code: "".join(word.capitalize() for word in code.name.split("_"))
    for code in grpc.StatusCode
    if code not in {grpc.StatusCode.OK, grpc.StatusCode.CANCELLED}
} | {grpc.StatusCode.OK: "OK", grpc.StatusCode.CANCELLED: CANCELLED}
"""E.g. DeadlineExceeded; one l in Canceled."""


def ghz_name(text: str) -> str | None:
    """The same status as ghz spells it, from either spelling; None: there is none."""
    wanted = text.replace("_", "").lower()
    known = {name.lower(): name for name in GHZ_NAMES.values()} | {"cancelled": CANCELLED}
    return known.get(wanted)
