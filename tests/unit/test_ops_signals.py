import os
import signal
import subprocess
import sys
import threading

from docmill.ops.signals import heard
from tests.stack.measure import measured

# Children come and go, so that the kernel sometimes hands the signal to another thread than main.
PROGRAM = """
import subprocess, threading
from docmill.ops.signals import heard

def restless():
    while True:
        subprocess.run(["true"])

threading.Thread(target=restless, daemon=True).start()
stop = threading.Event()
with heard(stop.set):
    print("up", flush=True)
    stop.wait()
"""


def test_each_signal_is_told_from_another_thread() -> None:
    told, twice = threading.Event(), threading.Event()
    threads = set[str]()

    def hear() -> None:
        threads.add(threading.current_thread().name)
        (twice if told.is_set() else told).set()

    with heard(hear):
        os.kill(os.getpid(), signal.SIGTERM)
        assert told.wait(10)
        os.kill(os.getpid(), signal.SIGINT)
        assert twice.wait(10)
    assert threads == {"signals"}


def test_what_was_set_before_is_set_again() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with heard(lambda: None):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_main_thread_that_waits_for_a_lock_is_told_too() -> None:
    for _ in range(20):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdout=subprocess.PIPE,
            env={**os.environ, **measured()},
        )
        with process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            try:
                assert process.wait(timeout=10) == 0
            finally:
                process.kill()
