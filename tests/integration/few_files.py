"""A server in a process that can open few files: `python -m tests.integration.few_files COUNT`.

Prints its port; ends with its stdin.
"""

import asyncio
import resource
import sys

from tests.integration.test_wire_server import made


async def main() -> None:
    """Serves until stdin ends."""
    count = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))
    server = made()
    sys.stdout.write(f"{server.add_insecure_port('127.0.0.1:0')}\n")
    sys.stdout.flush()
    await server.start()
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(0)


if __name__ == "__main__":
    asyncio.run(main())
