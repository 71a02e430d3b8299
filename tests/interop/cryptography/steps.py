"""What the programs of this folder do alike: run steps against a server, and tell how each went."""  # noqa: INP001 - beside the programs that use it
# ruff: noqa: T201 - their output is what they are for

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable

STEP_SECONDS = 30

Step = tuple[str, Callable[[], Awaitable[None]]]


async def run(steps: Iterable[Step]) -> bool:
    """Run steps, print a line for each and their count, and tell whether all passed."""
    results: Counter[bool] = Counter()
    for name, step in steps:
        why = ""
        try:
            await asyncio.wait_for(step(), STEP_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever fails fails the step
            why = " ".join(f"{type(error).__name__}: {error}".split())
        results[not why] += 1
        print(f"not ok {name}: {why}" if why else f"ok {name}", flush=True)
    print(f"{results[True]} passed, {results[False]} failed")
    return not results[False]


def main(program: Callable[[str], Coroutine[None, None, bool]]) -> int:
    """Run a program against the server that its argument names, without our library."""
    if len(sys.argv) != 2:  # noqa: PLR2004
        print("usage: (client | wire) BASE_URL", file=sys.stderr)
        return 2
    passed = asyncio.run(program(sys.argv[1]))
    if "nen" in sys.modules:
        print("this used the library that it is to check", file=sys.stderr)
        return 1
    return 0 if passed else 1
