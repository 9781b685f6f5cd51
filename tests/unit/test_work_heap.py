"""A worker's threads share one heap, and a child's gaps go back to the system."""

import subprocess
import sys
from textwrap import dedent
from typing import Final

from docmill.work import spawner

PROGRAM: Final = """
    import ctypes, sys, threading
    from docmill.work import heap

    if sys.argv[1] == "shared":
        heap.share()
    together = threading.Barrier(4)

    def work():
        together.wait()  # none ends before the last has begun, whose heap it could take over
        bytearray(200_000)
        together.wait()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    libc = ctypes.CDLL(None)
    libc.fdopen.restype = ctypes.c_void_p
    out = ctypes.c_void_p(libc.fdopen(1, b"w"))
    libc.malloc_info(0, out)
    libc.fflush(out)
"""

GAPS: Final = """
    import os
    from docmill.work import heap

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20

    pieces = [bytearray(b"x" * 2**20) for _ in range(64)]
    del pieces[:-1]  # the last keeps the heap from being cut short
    full = resident()
    heap.tidy()
    print(full - resident())
"""


def heaps(mode: str) -> int:
    program = [sys.executable, "-c", dedent(PROGRAM), mode]
    done = subprocess.run(program, check=True, capture_output=True, env={})
    return done.stdout.count(b"<heap nr=")


def test_threads_share_one_heap() -> None:
    assert heaps("shared") == 1
    assert heaps("apart") > 1


def test_what_is_free_in_the_middle_of_the_heap_is_given_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", dedent(GAPS)],
        check=True,
        capture_output=True,
        env=spawner.ENVIRONMENT,
    )
    assert int(done.stdout) > 50
