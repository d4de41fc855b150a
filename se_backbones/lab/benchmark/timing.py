"""Time functions against each other."""

import statistics
import timeit
from collections.abc import Callable, Mapping

from torch.utils.benchmark import timer

Functions = Mapping[str, Callable[[], object]]


def interleaved(functions: Functions, rounds: int, device: str = 'cpu',
                progress: Callable[[], None] = lambda: None, calls: int = 1) -> dict[str, list[float]]:
    """Return seconds per call, one per round: each round calls all functions, in an order that turns by one.

    What else the machine does in a round slows all of them, so that ratios within rounds are steadier than times.
    ``torch.utils.benchmark.Timer`` would make two calls before each that it times.

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
            times[name].append(timeit.timeit(functions[name], timer=timer, number=calls) / calls)
            progress()
    return times


def compare(times: list[float], reference: list[float]) -> dict[str, float]:
    """Return the median, its ratio to the reference's, and the quartiles of the ratios within rounds.

    Args:
        times, reference: Seconds, one per round.

    Returns:
        ``dict(median_ms=..., ratio=..., low=..., high=...)``.
    """
    within = [a / b for a, b in zip(times, reference, strict=True)]
    low, _, high = statistics.quantiles(within, n=4, method='inclusive') if len(within) > 1 else within * 3
    median = statistics.median(times)
    return dict(median_ms=median * 1e3, ratio=median / statistics.median(reference), low=low, high=high)
