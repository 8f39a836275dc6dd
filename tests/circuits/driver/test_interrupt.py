"""Signals that become exceptions, also where a destructor swallows the first one."""

import subprocess
import sys

import pytest

TOLD = """
import os, signal, sys, time
from circuits.driver.interrupt import handle_interrupts, ignore_interrupts

handle_interrupts(signal.SIGTERM)

class Swallows:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)

try:
    {body}
    time.sleep(10)
except KeyboardInterrupt as stop:
    ignore_interrupts()
    os.kill(os.getpid(), signal.SIGTERM)
    print("ended", stop)
"""


@pytest.mark.parametrize("body", ["os.kill(os.getpid(), signal.SIGTERM)", "Swallows()"])
def test_a_signal_arrives_once_and_the_clean_up_is_left_alone(body):
    code = TOLD.format(body=body)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "ended 143\n" and not done.stderr
