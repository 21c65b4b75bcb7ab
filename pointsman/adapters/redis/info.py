"""What a Redis server tells of itself, read."""

from __future__ import annotations

from pointsman.adapters.redis.wire import Answer


def fields_of(info: Answer) -> dict[str, str]:
    """What `INFO` told, by field."""
    lines = (line.partition(":") for line in info.decode().splitlines() if ":" in line)
    return {name: value for name, _, value in lines}


def process_of(info: Answer) -> str:
    """The id of the server's process, out of what `INFO` told: another one after a restart, and for a replica."""
    return fields_of(info)["run_id"]
