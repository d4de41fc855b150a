"""Time functions against each other."""

import statistics
import time
from collections.abc import Callable, Mapping

import torch

Functions = Mapping[str, Callable[[], object]]


def interleaved(functions: Functions, rounds: int, device: str = 'cpu',
                progress: Callable[[], None] = lambda: None, calls: int = 1) -> dict[str, list[float]]:
    """Return seconds per call, one per round: each round calls all functions, in an order that turns by one.

    What else the machine does in a round slows all of them, so that ratios within rounds are steadier than times.

    Args:
        functions: By name.
        rounds: Calls of each, after some that are not timed (allocations, the choice of algorithms, kernels that are
            compiled): one on a CPU, three on a GPU.
        device: ``'cpu'`` or ``'cuda'``, which is waited for.
        progress: Called after each round of a function, the untimed ones together.
        calls: In a round, one after the other: a GPU is not waited for in between.
    """
    names = list(functions)
    times: dict[str, list[float]] = {name: [] for name in names}
    for name in names:
        for _ in range(3 if device == 'cuda' else 1):
            functions[name]()
        progress()
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            wait(device)
            start = time.perf_counter()
            for _ in range(calls):
                functions[name]()
            wait(device)
            times[name].append((time.perf_counter() - start) / calls)
            progress()
    return times


def wait(device: str) -> None:
    """Wait until the device has done what it was given."""
    if device == 'cuda':
        torch.cuda.synchronize()


def ratio(times: list[float], reference: list[float]) -> dict[str, float]:
    """Return the ratio of the medians, and the quartiles of the ratios within rounds.

    Args:
        times, reference: Seconds, one per round.

    Returns:
        ``dict(ratio=..., low=..., high=...)``.
    """
    within = sorted(a / b for a, b in zip(times, reference, strict=True))
    low, _, high = statistics.quantiles(within, n=4, method='inclusive') if len(within) > 1 else (within * 3)
    return dict(ratio=statistics.median(times) / statistics.median(reference), low=low, high=high)
