"""What autograd keeps for backward, and the peak of memory in a step."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile


def saved_bytes(net: nn.Module, images: Tensor) -> int:
    """Return the bytes that autograd keeps for backward, parameters and buffers left out, each memory block once.

    Args:
        net: Maps ``images`` to whatever; it is run once, in the mode that it is in.
        images: ``(N, 3, H, W)``, left out too.
    """
    known = {tensor.untyped_storage().data_ptr() for tensor in [*net.parameters(), *net.buffers(), images]}
    blocks: dict[int, tuple[int, Tensor]] = {}

    def keep(tensor: Tensor) -> Tensor:
        # Without its history: a tensor whose history holds it is a cycle, which stays in memory after this function.
        tensor = tensor.detach()
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            # The tensor is held, so that its memory cannot be given to another one.
            blocks[storage.data_ptr()] = storage.nbytes(), tensor
        return tensor
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = net(images)
    del output
    return sum(size for size, _ in blocks.values())


def peak_bytes(step: Callable[[], object], device: str = 'cpu') -> int:
    """Return the largest amount of memory that tensors made in ``step()`` take at one time.

    On CUDA the allocator counts; on a CPU it is read from the allocations that the profiler sees.
    """
    if device == 'cuda':
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == '[memory]']
    now = highest = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        highest = max(highest, now)
    return highest
