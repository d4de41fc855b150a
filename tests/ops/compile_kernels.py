"""Compile the kernels that calls of the tail's functions would launch, for GPUs that are not here; print JSON.

    echo '[[90, "bfloat16", "channels_last", [2, 256, 56, 56], [1, 1], "training"], ...]' | \\
        TRITON_CACHE_DIR=<a new folder> python compile_kernels.py [--count]

Each case is compute capability, dtype, layout, shape of the maps, the gate's grid, and the norm: training, frozen, half
(its weights too) or none; with ", bare" there are no weights, squeeze, running statistics and ReLU. Triton's own
launcher picks signature and attributes; the driver that it asks for a device is a stand-in here. Without a GPU nobody
says how many registers spill, but the assembler, whose words are not kept in Triton's cache. With ``--count`` nothing
is compiled: the output tells which launches share a kernel.
"""

import json
import re
import sys
from contextlib import redirect_stdout
from io import StringIO
from types import SimpleNamespace

import torch
from triton import knobs
from triton.backends.compiler import GPUTarget
from triton.runtime.driver import driver
from triton.runtime.jit import JITFunction

from se_backbones.ops.residual_tail import triton as code
from se_backbones.ops.residual_tail.autograd import Statistics


class Driver:
    """A stand-in for a device of one compute capability, which is its number too."""

    capability = 90

    def get_current_device(self):
        return self.capability

    def get_current_stream(self, device):
        return 0

    def get_current_target(self):
        return GPUTarget('cuda', self.capability, 32)


def compiled(kernel, said):
    """Return what the machine code of a kernel is like.

    Args:
        kernel: Triton's.
        said: The assembler's words.
    """
    spills = re.search(r'(\d+) bytes spill stores, (\d+) bytes spill loads', said).groups()
    return dict(spills=sum(map(int, spills)), registers=int(re.search(r'Used (\d+) registers', said).group(1)),
                loads=widths(kernel.asm['ptx'], 'ld'), stores=widths(kernel.asm['ptx'], 'st'))


def widths(ptx, operation):
    """Return the bits of each global load or store, the widest first."""
    found = re.findall(rf'{operation}\.global[\w:.]*?(?:\.v(\d))?\.b(\d+)', ptx)
    return sorted((int(vector or 1) * int(bits) for vector, bits in found), reverse=True)


def call(dtype, layout, shape, grid, norm):
    """Call all functions of the tail with tensors that nobody reads."""
    dtype = getattr(torch, dtype)
    layout = getattr(torch, layout if layout == 'channels_last' else 'contiguous_format')
    n, c = shape[:2]
    x, shortcut, grad = (torch.empty(shape, dtype=dtype, memory_format=layout) for _ in range(3))
    gate = torch.empty(n, c, *grid, dtype=dtype, memory_format=layout)
    kind, bare = norm.removesuffix(', bare'), norm.endswith(', bare')
    weight, bias, *running = (torch.empty(c, dtype=dtype if kind == 'half' else torch.float32) for _ in range(4))
    if bare:
        weight = bias = None
    scale = shift = z = None
    if kind != 'none':
        statistics = Statistics(*running, kind != 'frozen', None if bare or kind == 'frozen' else 0.1, 1e-5)
        scale, shift, z, kept = code.normalise(x, weight, bias, statistics, not bare)
    out = code.gated_sum(x, gate, shortcut, scale, shift, not bare)
    x_grad, gate_grad, _, scale_grad, shift_grad = code.gated_sum_backward(
        grad, None if bare else out, x, gate, scale, shift)
    if kind != 'none':
        code.normalise_backward(x_grad, scale_grad, shift_grad, z, x, weight, bias, kept, statistics)


def main(cases, count):
    driver.set_active(Driver())
    knobs.nvidia.dump_ptxas_log = True
    if count:
        JITFunction._do_compile = lambda self, key, *_: SimpleNamespace(hash=key)
    run, rows, known = JITFunction.run, [], {}

    def compile_only(self, *args, grid, warmup, **kwargs):
        said = StringIO()
        with redirect_stdout(said):
            kernel = run(self, *args, grid=grid, warmup=True, **kwargs)
        key = Driver.capability, kernel.hash
        if key not in known:
            known[key] = {} if count else compiled(kernel, said.getvalue())
        rows.append(dict(case=case, kernel=self.fn.__name__, variant=kernel.hash, **known[key]))
    JITFunction.run = compile_only
    for case in cases:
        Driver.capability = case[0]
        call(*case[1:])
    print(json.dumps(rows))


if __name__ == '__main__':
    main(json.load(sys.stdin), '--count' in sys.argv)
