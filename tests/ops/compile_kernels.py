"""Compile the kernels that calls of the tail's functions would launch, for GPUs that are not here; print JSON.

    echo '[[90, "bfloat16", "channels_last", [2, 256, 56, 56], [1, 1], "training"], ...]' | python compile_kernels.py

Each case is compute capability, dtype, layout, shape of the maps, the gate's grid, and the norm: training, frozen or
none, in which case there is no ReLU either. Triton's own launcher picks signature and attributes; the driver that it
asks for a device is a stand-in here. Without a GPU nobody says how many registers spill: the assembler is asked.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime.driver import driver
from triton.runtime.jit import JITFunction

from se_backbones.ops.residual_tail import triton as code
from se_backbones.ops.residual_tail.autograd import Statistics

BIN = Path(triton.__file__).parent / 'backends' / 'nvidia' / 'bin'
found = []


class Driver:
    """A stand-in for a device of one compute capability, which is its number too."""

    capability = 90

    def get_current_device(self):
        return self.capability

    def get_current_stream(self, device):
        return 0

    def get_current_target(self):
        return GPUTarget('cuda', self.capability, 32)


def compile_only(self, *args, grid, warmup, **kwargs):
    assert len(grid) == 1  # grid y and z end at 65,535
    found.append((self.fn.__name__, run(self, *args, grid=grid, warmup=True, **kwargs)))


def spilled(ptx, capability):
    """Return the bytes that the assembler spills."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, 'kernel.ptx')
        file.write_text(ptx)
        target = re.search(r'\.target (sm_\w+)', ptx).group(1)
        said = subprocess.run([BIN / ('ptxas-blackwell' if capability >= 100 else 'ptxas'), '-v', f'-arch={target}',
                               str(file), '-o', str(Path(folder, 'kernel.cubin'))], check=True, capture_output=True,
                              text=True).stderr
    stores, loads = re.search(r'(\d+) bytes spill stores, (\d+) bytes spill loads', said).groups()
    return int(stores) + int(loads), int(re.search(r'Used (\d+) registers', said).group(1))


def widths(ptx, operation):
    """Return the bits of each global load or store of data, predicated ones too."""
    sizes = [(int(vector or 1) * int(bits)) for vector, bits in
             re.findall(rf'{operation}\.global[\w:.]*?(?:\.v(\d))?\.b(\d+)', ptx)]
    return sorted(sizes, reverse=True)


def call(dtype, layout, shape, grid, norm):
    """Call all functions of the tail with tensors that nobody reads."""
    dtype = getattr(torch, dtype)
    layout = getattr(torch, layout if layout == 'channels_last' else 'contiguous_format')
    n, c = shape[:2]
    x, shortcut, grad = (torch.empty(shape, dtype=dtype, memory_format=layout) for _ in range(3))
    gate = torch.empty(n, c, *grid, dtype=dtype, memory_format=layout)
    channel = [torch.empty(c) for _ in range(6)]
    scale = shift = None
    if norm != 'none':
        training = norm == 'training'
        statistics = Statistics(channel[2], channel[3], training, 0.1 if training else None, 1e-5)
        scale, shift, z, kept = code.normalise(x, channel[0], channel[1], statistics, True)
    out = code.gated_sum(x, gate, shortcut, scale, shift, norm != 'none')
    x_grad, gate_grad, _, scale_grad, shift_grad = code.gated_sum_backward(
        grad, None if norm == 'none' else out, x, gate, scale, shift)
    if norm != 'none':
        code.normalise_backward(x_grad, scale_grad, shift_grad, z, x, channel[0], channel[1], kept, statistics)


def main(cases):
    driver.set_active(Driver())
    JITFunction.run = compile_only
    rows, known = [], {}
    for capability, *case in cases:
        Driver.capability = capability
        found.clear()
        call(*case)
        for name, compiled in found:
            key = capability, compiled.hash
            if key not in known:
                ptx = compiled.asm['ptx']
                spills, registers = spilled(ptx, capability)
                known[key] = dict(spills=spills, registers=registers, loads=widths(ptx, 'ld'), stores=widths(ptx, 'st'))
            rows.append(dict(case=[capability, *case], kernel=name, variant=compiled.hash, **known[key]))
    print(json.dumps(rows))


run = JITFunction.run
if __name__ == '__main__':
    main(json.load(sys.stdin))
