"""No operator returns memory that nobody has written, also not by way of a library that allocates its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# glibc fills what it hands out; all of it from its heap, since fresh pages of the system's are zero.
POISON = dict(MALLOC_PERTURB_='1', MALLOC_MMAP_THRESHOLD_=str(1 << 32), MALLOC_TOP_PAD_=str(1 << 28))


@pytest.mark.skipif(sys.platform != 'linux', reason="the poison is glibc's")
def test_operators_on_small_maps_return_what_they_compute():
    """Torch's depth-wise convolution did not, for gradients of weights on maps of one column in bfloat16."""
    done = subprocess.run([sys.executable, str(Path(__file__).with_name('poisoned_memory.py'))], check=True,
                          env=os.environ | POISON, capture_output=True, text=True)
    unwritten, *wrong = done.stdout.splitlines()
    if float(unwritten.removeprefix('unwritten ')) < 1e30:
        pytest.skip('memory is not poisoned: another C library')
    assert wrong == []
