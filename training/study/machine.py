"""What a study ran on, in one line."""

import os
import platform
from pathlib import Path

import torch

CPU_FACTS = Path("/proc/cpuinfo")


def machine() -> str:
    """Processor, cores that this process may use, memory, versions of Python and torch."""
    return ", ".join(
        (
            processor(CPU_FACTS.read_text() if CPU_FACTS.exists() else ""),
            f"{_cores()} cores",
            f"{_memory_gib():.0f} GiB",
            f"Python {platform.python_version()}",
            f"torch {torch.__version__}",
        )
    )


def processor(facts: str) -> str:
    """The model's name in the text of Linux's cpuinfo, else what the system calls its kind."""
    for line in facts.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name" and value.strip():
            return value.strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    can_ask = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if can_ask else os.cpu_count() or 1


def _memory_gib() -> float:
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")) / 2**30
