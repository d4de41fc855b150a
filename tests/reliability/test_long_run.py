"""Training for long takes no more memory than training for short. `make reliability` trains 5,000 iterations; the suite
fifty, and counts tensors."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(not os.path.exists('/proc/self/statm'), reason='memory is read from /proc')


def memory(folder, iterations, every):
    """Train in a new process; return iterations, resident bytes and living tensors at those iterations."""
    command = [sys.executable, '-W', 'ignore', Path(__file__).with_name('long_run.py'), folder, iterations, every]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          env={**os.environ, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''})
    assert done.returncode == 0, done.stderr[-3000:]
    return np.array(json.loads(done.stdout.splitlines()[-1])).T


def test_no_tensor_outlives_its_iteration(tmp_path):
    iterations, _, tensors = memory(tmp_path, 50, 10)
    # After the first steps, in which the optimizer makes its state; the run evaluates and saves in between.
    assert list(iterations) == [10, 20, 30, 40, 50] and tensors[-1] == tensors[1], tensors


@pytest.mark.slow
def test_five_thousand_iterations_of_the_digits_detector_take_no_more_memory(tmp_path, record_property):
    iterations, resident, tensors = memory(tmp_path, 5000, 100)
    settled = iterations > 1000
    slope = np.polyfit(iterations[settled], resident[settled], 1)[0] * 1000 / 2**20  # MiB in 1,000 iterations
    record_property('reliability', dict(
        what='iterations of the digits detector in small', tried=int(iterations[-1]), lost=0,
        note=f'memory from iteration 1,000 on: {slope:+.2f} MiB in 1,000 iterations, of '
             f'{resident[-1] / 2**20:.0f} MiB; {tensors[-1] - tensors[1]:+d} living tensors'))
    assert slope < 1 and tensors[-1] == tensors[1]
