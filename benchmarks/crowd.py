"""A crowd on the page: many people, some of whom edit, then a thousand idle connections: python benchmarks/crowd.py

Starts the app as benchmarks/serving.py does, on the loopback interface. Prints errors, waits, memory and the size of
the log, and ends with status 1 where somebody who edits met an error, memory stayed over a tenth above the start, or
the log grew over 1 MB.
"""

import argparse
import asyncio
import random
import socket
import statistics
import sys
import time
from urllib.parse import urlsplit

from serving import Person, Server, close_all, running

GROWTH = 1.1  # times the memory at the start
LOG = 1e6  # bytes
HELD = 25.0  # seconds that the idle connections stay, longer than the server lets them


async def edit_until(person: Person, end: asyncio.Event, every: float) -> list[float]:
    """The seconds of each edit, one every so often until told to end."""
    taken: list[float] = []
    await asyncio.sleep(random.uniform(0, every))
    while not end.is_set():
        start = time.monotonic()
        taken.append(await person.edit(len(taken)))
        await asyncio.sleep(max(0.0, start + every - time.monotonic()))
    return taken


async def hold_connections(server: Server, count: int) -> str:
    """Open connections that send no request, and see what happens to them."""
    parts = urlsplit(server.url)
    held: list[socket.socket] = []
    for _ in range(count):
        try:
            held.append(socket.create_connection((parts.hostname or "", parts.port or 80), timeout=5))
        except OSError:
            break
        await asyncio.sleep(0)
    await asyncio.sleep(HELD)
    return f"{len(held)} idle connections opened, {close_all(held)} left after {HELD:.0f} s"


async def measure(arguments: argparse.Namespace) -> bool:
    """Run the crowd; whether all was within the limits."""
    async with running(arguments.cores) as server:
        people = [Person(server, number) for number in range(arguments.people)]
        for person in people:
            await person.arrive()
        editors = people[: arguments.editors]
        for person in editors:  # what is loaded once is loaded now
            await person.upload(person.number)
            await person.edit(0)
        start = server.resident
        pages = [asyncio.create_task(person.stay()) for person in people]
        end = asyncio.Event()
        edits = [asyncio.create_task(edit_until(person, end, arguments.every)) for person in editors]
        await asyncio.sleep(arguments.seconds)
        crowded = server.resident
        print(await hold_connections(server, arguments.connections), flush=True)
        end.set()
        results = await asyncio.gather(*edits, return_exceptions=True)
        for page in pages:
            page.cancel()
        await asyncio.sleep(30)
        faults = [result for result in results if isinstance(result, BaseException)]
        taken = sorted(seconds for result in results if isinstance(result, list) for seconds in result)
        log, after = server.log.stat().st_size, server.resident
        print(f"{arguments.people} people, {arguments.editors} of whom edit every {arguments.every:g} s")
        print(f"{len(taken)} edits in {arguments.seconds:.0f} s, {len(faults)} editors met an error {faults[:1] or ''}")
        if taken:
            late = taken[min(len(taken) - 1, int(0.95 * len(taken)))]
            median = statistics.median(taken)
            print(f"edit: median {median:.2f} s, 95th percentile {late:.2f} s, slowest {taken[-1]:.2f} s")
        print(f"memory: {start:.0f} MB at the start, {crowded:.0f} MB with the crowd, {after:.0f} MB 30 s after it")
        print(f"log: {log / 1000:.0f} kB")
        return bool(taken) and not faults and after <= GROWTH * start and log < LOG


def main() -> int:
    """Parse the arguments and run; 1 where a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--editors", type=int, default=32, help="people of these who edit")
    parser.add_argument("--every", type=float, default=3, help="seconds between two edits of a person")
    parser.add_argument("--seconds", type=float, default=600, help="how long")
    parser.add_argument("--connections", type=int, default=1000, help="idle connections afterwards")
    parser.add_argument("--cores", type=int, default=2, help="cores that the server gets")
    return int(not asyncio.run(measure(parser.parse_args())))


if __name__ == "__main__":
    sys.exit(main())
