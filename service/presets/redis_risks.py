"""Settings of a Redis under which it may lose presets: eviction, and nothing on disk."""

import logging
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from service.presets.errors import StoreUnavailable
from service.presets.redis_calls import RedisCalls

log = logging.getLogger(__name__)


class Risk(StrEnum):
    """What may make Redis lose data; the label of a metric."""

    EVICTS = "evicts"
    NOT_ON_DISK = "not_on_disk"


async def risks_of(calls: RedisCalls, key: str) -> Mapping[Risk, str]:
    """What puts the presets at risk, with what to do; nothing where the settings may not be read.

    Args:
        calls: of that Redis.
        key: on a Cluster the node that has it is asked.
    """
    try:
        info = await _info(calls, key)
    except StoreUnavailable as refused:
        log.debug("whether Redis evicts keys or keeps them on disk is unknown: %s", refused.fault)
        return {}
    risks: dict[Risk, str] = {}
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if int(info.get("maxmemory", 0)) and policy != "noeviction":
        risks[Risk.EVICTS] = (
            f"Redis evicts keys when its memory is full (maxmemory-policy {policy}): set"
            " noeviction, or give the presets a Redis of their own"
        )
    if not int(info.get("aof_enabled", 0)) and await _save(calls, key) == "":
        risks[Risk.NOT_ON_DISK] = (
            'Redis keeps nothing on disk (appendonly no, save ""): set appendonly yes, or'
            " presets are gone when it restarts"
        )
    return risks


async def _info(calls: RedisCalls, key: str) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for section in ("memory", "persistence"):
        found |= await _asked(calls, key, "INFO", section)
    return found


async def _save(calls: RedisCalls, key: str) -> str | None:
    """The setting `save`; None: it may not be read."""
    try:
        return (await _asked(calls, key, "CONFIG GET", "save")).get("save")
    except StoreUnavailable as refused:
        log.debug("whether Redis saves to disk is unknown: %s", refused.fault)
        return None


async def _asked(calls: RedisCalls, key: str, *words: str) -> dict[str, Any]:
    async def reply() -> Any:
        redis = calls.redis
        if not hasattr(redis, "get_node_from_key"):
            return await redis.execute_command(*words)
        await redis.initialize()
        return await redis.execute_command(*words, target_nodes=redis.get_node_from_key(key))

    return dict(await calls.call(reply()))
