"""All kernels compile for GPUs that are not here, without spilled registers and with wide accesses."""

import json
import os
import random
import subprocess
import sys
from collections import defaultdict
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not find_spec('triton'), reason='Triton is not installed')

CAPABILITIES = (75, 80, 90, 100)
DTYPES = ('float32', 'float16', 'bfloat16')
LAYOUTS = ('contiguous', 'channels_last')
# Of a classifier at 224 px and of a detector at 800 x 1344.
MAPS = ((256, 56, 56), (512, 28, 28), (256, 200, 336), (512, 100, 168))
SMALL = ((1024, 14, 14), (2048, 7, 7), (1024, 50, 84), (2048, 25, 42), (100, 1, 1))
NORMS = ('training', 'frozen', 'half', 'none', 'training, bare', 'frozen, bare', 'none, bare')
# Full-size tensors that a kernel reads and writes.
PASSES = {'sums_kernel': (1, 0), 'tail_kernel': (2, 1), 'tail_backward_kernel': (3, 2), 'affine_kernel': (2, 1),
          'local_tail_kernel': (2, 1), 'local_tail_backward_kernel': (3, 2)}
FINALISE = {'norm_kernel', 'gate_backward_kernel', 'norm_backward_kernel'}


def ceil(size, extent):
    return -(-size // extent)


def combinations(capabilities, maps, norms, extents=(None, 8), dtypes=DTYPES):
    """Return the cases of ``compile_kernels.py``; bfloat16 begins with compute capability 8.0."""
    cases = []
    for capability, dtype, layout, (channels, height, width), norm, extent in product(
            capabilities, dtypes, LAYOUTS, maps, norms, extents):
        grid = [1, 1] if extent is None else [ceil(height, extent), ceil(width, extent)]
        if capability >= 80 or dtype != 'bfloat16':
            cases.append([capability, dtype, layout, [2, channels, height, width], grid, norm])
    return cases


@pytest.fixture(scope='module')
def kernels(tmp_path_factory):
    """Return a function from cases to the kernels of their launches; another process, as this one interprets them."""
    environment = dict(os.environ)
    environment.pop('TRITON_INTERPRET', None)

    def compiled(cases, *options):
        cache = str(tmp_path_factory.mktemp('triton'))
        done = subprocess.run([sys.executable, str(Path(__file__).with_name('compile_kernels.py')), *options],
                              input=json.dumps(cases), env=environment | dict(TRITON_CACHE_DIR=cache),
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)
    return compiled


CASES = {
    'quick': (combinations(CAPABILITIES, MAPS[:1], ['training'], dtypes=['float32'])
              + combinations([90], MAPS, ['training'], dtypes=['bfloat16'])
              + combinations([90], SMALL[1:2], NORMS, dtypes=['float32'])),
    'all': combinations(CAPABILITIES, MAPS + SMALL, NORMS, (None, 2, 8)),
}


@pytest.mark.parametrize('which', ['quick', pytest.param('all', marks=pytest.mark.slow)])
def test_kernels_compile_without_spills_and_read_128_bits_at_a_time(kernels, which):
    rows = kernels(CASES[which])
    assert {row['kernel'] for row in rows} == PASSES.keys() | FINALISE
    assert {(row['kernel'], row['case'][0]) for row in rows} == set(product(PASSES.keys() | FINALISE, CAPABILITIES))
    assert [row for row in rows if row['spills']] == []
    for row in rows:
        _, dtype, layout, (_, *shape), grid, _ = row['case']
        if row['kernel'] in FINALISE or tuple(shape) not in MAPS:
            continue
        if row['kernel'] == 'local_tail_backward_kernel' and layout == 'contiguous' and shape[2] % (8 * grid[1]):
            continue  # cells of different widths, or of 7 columns: no multiple of 128 bits begins a cell
        reads, writes = PASSES[row['kernel']]
        assert row['loads'][:reads] == [128] * reads, row
        assert row['stores'][:writes] == [128] * writes, row


def detector_maps(count):
    """Return the maps of ResNet-50's stages at the sizes of multi-scale training: short side 480 to 800, long 1,333."""
    chance = random.Random(0)
    for _ in range(count):
        short = chance.randint(480, 800)
        size = [short, min(1333, int(short * chance.uniform(1, 2)))]
        chance.shuffle(size)
        for channels, stride in ((256, 4), (512, 8), (1024, 16), (2048, 32)):
            yield channels, *(ceil(pixels, 32) * 32 // stride for pixels in size)


@pytest.mark.parametrize('dtype', ['float32', pytest.param('float16', marks=pytest.mark.slow)])
def test_maps_of_hundreds_of_sizes_share_a_few_kernels(kernels, dtype):
    """Each new kernel stops training for a second: rectangles in masks once made 84 in 200 iterations."""
    variants = defaultdict(set)
    for extent in (None, 8):
        for row in kernels([[90, dtype, 'contiguous', [2, channels, height, width],
                             [1, 1] if extent is None else [ceil(height, extent), ceil(width, extent)], 'frozen']
                            for channels, height, width in detector_maps(200)], '--count'):
            variants[extent].add((row['kernel'], row['variant']))
    assert len(variants[None]) <= 24, len(variants[None])  # SE, and gates of one cell
    assert len(variants[8] - variants[None]) <= 14, len(variants[8] - variants[None])
