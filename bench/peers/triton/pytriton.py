"""PyTriton: Triton with the graph as a Python function in processes of its own.

By its documentation ("Binding Model to Triton", "Decorators", "Custom parameters"): several
callables for several workers, `DynamicBatcher` with its queue delay, `@batch`, `strict=False`. It
batches inputs of one shape only, so callers pad, and here what a batch does not need is cut off.
"""

import argparse
import os
import signal
import sys
import sysconfig
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from bench.peers.tensors import Exported

INTEGERS = ("items", "excluded", "rule_features", "rule_operations", "k")


def answering(graph: str, threads: int) -> Callable[..., Any]:
    """What a worker runs."""
    exported = Exported(graph, threads)

    def infer(**tensors: NDArray[Any]) -> dict[str, NDArray[Any]]:
        for name in ("items", "excluded"):
            tensors[name] = used(tensors[name])
        return exported.run({**tensors, "k": tensors["k"].max(axis=0)})

    batched: Callable[..., Any] = batch(infer)
    return batched


def used(rows: NDArray[Any]) -> NDArray[Any]:
    """Without the columns that are padding in every row, but for one."""
    kept = np.asarray(rows.any(axis=0))
    kept[-1] = True
    return rows[:, kept]


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--graph", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--delay-us", type=int, default=0)
    parser.add_argument("--batch", type=int, default=32)
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    # the server's Python processes load this interpreter's library
    os.environ["LD_LIBRARY_PATH"] = str(sysconfig.get_config_var("LIBDIR"))
    config = TritonConfig(
        grpc_address="127.0.0.1",
        grpc_port=chosen.port,
        http_address="127.0.0.1",
        allow_metrics=False,
    )
    with Triton(config=config) as triton:
        triton.bind(
            model_name="steered",
            infer_func=[answering(chosen.graph, chosen.threads) for _ in range(chosen.workers)],
            inputs=[
                *(Tensor(name=name, dtype=np.int64, shape=(-1,)) for name in INTEGERS),
                Tensor(name="rule_values", dtype=np.float32, shape=(-1,)),
            ],
            outputs=[
                Tensor(name="top_items", dtype=np.int64, shape=(-1,)),
                Tensor(name="top_scores", dtype=np.float32, shape=(-1,)),
            ],
            config=ModelConfig(
                max_batch_size=chosen.batch,
                batcher=DynamicBatcher(max_queue_delay_microseconds=chosen.delay_us),
            ),
            strict=False,
        )
        triton.serve()


if __name__ == "__main__":
    main()
