"""Data for load tests of any bundle: many users' histories, each with rules of its own.

    python -m bench.load_data STORE OUT [--label production] [--rules 5]

Writes into OUT `requests.json` (for ghz's --data-file) and `body.frame` (one of the requests as a
gRPC frame, for h2load's -d). Histories are drawn by the catalogue's own popularity.
"""

import argparse
import json
import struct
from pathlib import Path

from google.protobuf.json_format import MessageToDict
from steerrec.v1 import recommender_pb2

from bench.requests import encoded_requests
from model_store.store import Store


def frame(message: bytes) -> bytes:
    """A gRPC message as the body of an HTTP/2 request: not compressed, its length, itself."""
    return struct.pack(">BI", 0, len(message)) + message


def write_load_data(store_root: str, out: Path, *, label: str, n_rules: int) -> None:
    """Writes both files for the bundle that the label points to.

    Raises:
        ModelStoreError: there is no such bundle, or it does not verify.
    """
    bundle = Store(store_root).load(label)
    out.mkdir(parents=True, exist_ok=True)
    encoded = encoded_requests(bundle, n_rules)
    (out / "requests.json").write_text(json.dumps([_as_json(message) for message in encoded]))
    (out / "body.frame").write_bytes(frame(encoded[0]))


def _as_json(message: bytes) -> dict[str, object]:
    request = recommender_pb2.RecommendRequest.FromString(message)
    return MessageToDict(request, preserving_proto_field_name=True)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.load_data", description=__doc__)
    parser.add_argument("store", help="root of the model store: a folder or an fsspec URL")
    parser.add_argument("out", type=Path, help="folder of the two files")
    parser.add_argument("--label", default="production", help="label or version of the bundle")
    parser.add_argument("--rules", type=int, default=5, help="rules per request")
    given = parser.parse_args()
    write_load_data(given.store, given.out, label=given.label, n_rules=given.rules)
    print(f"{given.out}/requests.json, {given.out}/body.frame")


if __name__ == "__main__":
    main()
