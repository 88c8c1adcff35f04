"""How much memory the decoding of one image may take on this machine, or in this container."""

import os
from contextlib import suppress
from pathlib import Path

SERVER = 1400  # MB that the server with its models and the small workers need beside
LEAST, MOST = 420, 1200  # MB of addresses; with MOST, 64 megapixels in 8 bits fit
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # of a container


def decode_memory() -> int:
    """Address space in MB: VIP_DECODE_MEMORY, or what the server leaves of the memory. docs/deploy.md has a table."""
    given = os.environ.get("VIP_DECODE_MEMORY", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    return min(MOST, max(LEAST, total_memory() // 2**20 - SERVER))


def total_memory() -> int:
    """Bytes: of the container, else of the machine; MOST and SERVER together where neither is known."""
    found = [(SERVER + MOST) * 2**20] if not hasattr(os, "sysconf") else []
    for limit in LIMITS:
        with suppress(OSError, ValueError):
            found.append(int(Path(limit).read_text()))
    with suppress(AttributeError, OSError, ValueError):
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min(found) if found else (SERVER + MOST) * 2**20
