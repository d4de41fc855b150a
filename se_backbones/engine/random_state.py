"""The random state of a run, saved with its checkpoints and restored when it is resumed.

mmengine saves the seed alone. That is enough for the order of the samples; augmentation, dropout and stochastic depth
draw from the generators of Python, NumPy and torch, which begin again in a resumed process.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size


def capture() -> dict:
    """Return the state of this process's generators, as tensors and numbers, which load without running code."""
    version, words, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state()
    state = dict(
        python=(version, torch.tensor(words), gauss),
        numpy=(str(kind), torch.from_numpy(keys.astype(np.int64)), int(position), int(has_gauss), float(cached)),
        torch=torch.get_rng_state())
    if torch.cuda.is_available():
        state['cuda'] = torch.cuda.get_rng_state()
    return state


def restore(state: dict) -> None:
    """Set this process's generators to what :func:`capture` returned; a state of CUDA is left out where there is none.
    """
    version, words, gauss = state['python']
    random.setstate((version, tuple(words.tolist()), gauss))
    kind, keys, *rest = state['numpy']
    np.random.set_state((kind, keys.cpu().numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state['torch'].cpu())
    if 'cuda' in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state['cuda'].cpu())


def of_run(runner) -> dict:
    """Return the state of all processes of a run and of their samplers; every process must call it."""
    own = dict(capture(), sampler_seeds=[sampler.seed for sampler in _samplers(runner.train_dataloader)])
    return dict(iter=runner.iter, ranks=all_gather_object(own))


def resume(runner, state: dict | None) -> str | None:
    """Set the generators and samplers of a resumed run, in ``before_train``; return None, or the reason why not.

    Args:
        runner: The runner, after ``Runner.resume``.
        state: Of :func:`of_run`, from its checkpoint.
    """
    if state is None:
        return 'the checkpoint holds no random state (it is of another CheckpointHook)'
    if len(state['ranks']) != get_world_size():
        return f'the checkpoint was saved by {len(state["ranks"])} processes, and now there are {get_world_size()}'
    own = state['ranks'][get_rank()]
    for sampler, seed in zip(_samplers(runner.train_dataloader), own['sampler_seeds'], strict=False):
        sampler.seed = seed
    loop = runner.train_loop
    if hasattr(loop, 'dataloader_iterator'):
        # Iteration-based: the loop first passes over the batches of the iterations that are done.
        loop.dataloader_iterator = _ContinuedBatches(loop.dataloader_iterator, loop.iter, lambda: restore(own))
    else:
        restore(own)
    return None


class _ContinuedBatches:
    """The train loop's batches; before the first one that is new, ``restore`` sets the generators.

    Args:
        batches: The loop's own iterator.
        done: Iterations that are done.
        restore: Called once.
    """

    def __init__(self, batches: Any, done: int, restore: Callable[[], None]):
        self._batches = batches
        self._restore = restore
        # mmengine from 0.10.8 on may skip by `skip_iter`, or not at all; before, it fetches what it passes over.
        self._to_skip = 0 if hasattr(batches, 'skip_iter') else done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batches, name)

    def __iter__(self) -> '_ContinuedBatches':
        return self

    def __next__(self) -> Any:
        if self._to_skip:
            self._to_skip -= 1
        elif self._restore:
            # An iterator draws a number when it is made, which the interrupted run did at its start.
            getattr(self._batches, '_ensure_iterator', bool)()
            self._restore()
            self._restore = None
        return next(self._batches)


def _samplers(loader: Any) -> Iterator[Any]:
    """Yield the samplers of a loader that shuffle by a seed."""
    for owner in (loader, getattr(loader, 'batch_sampler', None)):
        sampler = getattr(owner, 'sampler', None)
        if isinstance(getattr(sampler, 'seed', None), int):
            yield sampler
