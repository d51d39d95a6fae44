"""Bundles: sealed, verified, loaded, published, promoted, rolled back (docs/adr/0003-bundle.md)."""

import os

# ONNX Runtime's official builds send usage events to their maker unless told not to, and read
# this once, when they are first imported: nothing of a recommender's traffic is anyone else's.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
