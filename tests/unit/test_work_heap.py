"""Threads of a worker share one heap."""

import subprocess
import sys
from textwrap import dedent
from typing import Final

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


def heaps(mode: str) -> int:
    program = [sys.executable, "-c", dedent(PROGRAM), mode]
    done = subprocess.run(program, check=True, capture_output=True, env={})
    return done.stdout.count(b"<heap nr=")


def test_threads_share_one_heap() -> None:
    assert heaps("shared") == 1
    assert heaps("apart") > 1
