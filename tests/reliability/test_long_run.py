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


def test_no_tensor_outlives_its_iteration(long_run, tmp_path, monkeypatch):
    monkeypatch.setattr('mmengine.runner.Runner._log_env', lambda self, cfg: None)  # asks compilers, in seconds
    iterations, _, tensors = zip(*long_run.train(tmp_path, 30, 10), strict=True)
    # From after the first steps, in which the optimizer makes its state; the run evaluates and saves in between.
    assert iterations == (10, 20, 30) and tensors[-1] == tensors[1], tensors


@pytest.mark.slow
def test_five_thousand_iterations_of_the_digits_detector_take_no_more_memory(tmp_path, record_property):
    command = [sys.executable, '-W', 'ignore', Path(__file__).with_name('long_run.py'), tmp_path, 5000, 100]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          env={**os.environ, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''})
    assert done.returncode == 0, done.stderr[-3000:]
    iterations, resident, tensors = np.array(json.loads(done.stdout.splitlines()[-1])).T
    settled = iterations > 1000  # the first evaluation is then done
    slope = np.polyfit(iterations[settled], resident[settled], 1)[0] * 1000 / 2**20
    record_property('reliability', dict(
        what='iterations of a small digits detector', tried=int(iterations[-1]), lost=0,
        note=f'memory from iteration 1,000 on: {slope:+.2f} MiB in 1,000 iterations, of '
             f'{resident[-1] / 2**20:.0f} MiB; {tensors[-1] - tensors[settled][0]:+d} living tensors'))
    assert slope < 1 and tensors[-1] == tensors[settled][0]
