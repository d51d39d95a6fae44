"""When a caller's time is over."""

from time import perf_counter

from service.rpc.interceptor import Context


def deadline_of(context: Context) -> float | None:
    """On the clock of `time.perf_counter`; None: the caller set none."""
    remaining_s = context.time_remaining()
    return None if remaining_s is None else perf_counter() + remaining_s
