"""Safe replacements of the classes and functions that a checkpoint's pickle may name.

A Runner's checkpoint holds numpy arrays and scalars, histories of losses, config dicts and the curve of a OneCycleLR.
numpy's own classes believe what a file says of a dtype: one of objects with the flags of plain bytes makes numpy follow
an address that the file chose. So each name stands for a function or class of ours that takes the same arguments, and
makes only numbers and strings, or one of two known functions of numbers.
"""

import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer as RealHistoryBuffer
from mmengine.optim.scheduler import param_scheduler

# torch keeps one list for the whole process.
_GLOBALS = threading.RLock()

_PLAIN_DTYPE = re.compile(r'b1|[iuf](1|2|4|8|16)|c(8|16|32)|[SU]\d{1,6}')


class Refused(Exception):
    """The file asks for more than is safe; the text completes "the file ..."."""


class dtype:  # noqa: N801 (torch looks it up by this name)
    """Of numbers or strings."""

    __module__ = 'numpy'
    value: np.dtype | None = None

    def __init__(self, code: str, *copy: Any):
        if not isinstance(code, str) or not _PLAIN_DTYPE.fullmatch(code):
            raise Refused(f'holds an array of {code!r}, not of numbers or strings')
        self.value = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        # (version, byte order, subarray, names, fields, item size, alignment, flags, ...); only one is needed.
        if state[1] in ('<', '>'):
            self.value = self.value.newbyteorder(state[1])


class ndarray:  # noqa: N801 (torch looks it up by this name)
    """An array that takes its content later."""

    __module__ = 'numpy'
    value: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, kind, fortran, data = state
        self.value = _array(shape, kind, data, 'F' if fortran else 'C')


class HistoryBuffer:
    """A history of losses: two arrays and a length."""

    __module__ = 'mmengine.logging.history_buffer'
    value: RealHistoryBuffer | None = None

    def __setstate__(self, state: Any) -> None:
        # Also named: its statistics, which are methods that every history has.
        history = RealHistoryBuffer(max_length=int(state['max_length']))
        history._log_history = state['_log_history'].value
        history._count_history = state['_count_history'].value
        self.value = history


class OneCycleParamScheduler:
    """Stands for the owner of the two curves that a OneCycleLR may follow."""

    __module__ = param_scheduler.__name__
    CURVES = ('_annealing_cos', '_annealing_linear')


def _scalar(kind: dtype, data: bytes) -> np.generic:
    return _array((), kind, data)[()]


def _array(shape: tuple, kind: dtype, data: bytes, order: str = 'C') -> np.ndarray:
    # Without bytes numpy would hand out memory of any size.
    if not isinstance(kind, dtype) or not isinstance(data, bytes):
        raise Refused(f'holds an array of {kind!r} out of {type(data).__name__}, not of numbers or strings')
    return np.ndarray(shape, kind.value, data, order=order).copy(order='K')


def _getattr(owner: Any, name: str) -> Callable | None:
    """Histories are saved with their statistics, as ``getattr(HistoryBuffer, 'mean')``, a OneCycleLR with its curve."""
    if owner is OneCycleParamScheduler and name in owner.CURVES:
        return getattr(param_scheduler.OneCycleParamScheduler, name)
    if owner is not HistoryBuffer:
        raise Refused(f'wants to look up {name!r} in {owner!r}')


def _encode(text: str, codec: str) -> bytes:
    """Pickles before protocol 3 hold bytes as text. torch allows this name from 2.5 on."""
    if not isinstance(text, str) or codec != 'latin1':
        raise Refused(f'wants to encode text by {codec!r}')
    return text.encode(codec)


def _named(path: str, function: Callable) -> Callable:
    """Return a function with the name under which torch finds it."""
    def replacement(*args):
        return function(*args)
    replacement.__module__, _, replacement.__qualname__ = path.rpartition('.')
    replacement.__name__ = replacement.__qualname__
    return replacement


_SAFE_GLOBALS = [
    dtype, ndarray, HistoryBuffer, OneCycleParamScheduler,
    # numpy 1 and numpy 2.
    *(_named(f'numpy.{core}.multiarray.{name}', function) for core in ('core', '_core')
      for name, function in (('_reconstruct', lambda *args: ndarray()), ('scalar', _scalar))),
    _named('builtins.getattr', _getattr),
    _named('_codecs.encode', _encode),
    # How an empty array's content is written.
    _named('builtins.bytes', lambda: b''),
    # Its items follow, for a dict.
    _named('mmengine.config.config.ConfigDict', lambda *args: dict(*args)),
]


@contextmanager
def safe_globals() -> Iterator[None]:
    """Let ``torch.load(weights_only=True)`` know torch's own safe names and ours, whatever else has been allowed."""
    with _GLOBALS:
        before = torch.serialization.get_safe_globals()
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(_SAFE_GLOBALS)
        try:
            yield
        finally:
            torch.serialization.clear_safe_globals()
            torch.serialization.add_safe_globals(before)


def resolve(value: Any) -> Any:
    """Return a value with the arrays and histories that it stands for, in nested dicts, lists and tuples too.

    Dicts and lists are changed in place. Nothing is looked into twice and there is no recursion: a file may nest a list
    a million times, put it into itself, or hold a tuple of twice a tuple of twice a tuple.
    """
    made: dict[int, Any] = {}  # by id of what it replaces
    holders: list[Any] = []
    seen: set[int] = set()
    waiting = [(value, False)]
    while waiting:
        item, parts_are_made = waiting.pop()
        if parts_are_made:
            made[id(item)] = tuple(made.get(id(part), part) for part in item)
        elif isinstance(item, (ndarray, dtype, HistoryBuffer)):
            made[id(item)] = item.value
        elif type(item) in (tuple, list, dict, OrderedDict, Counter) and id(item) not in seen:
            seen.add(id(item))
            if type(item) is tuple:
                waiting.append((item, True))
            else:
                holders.append(item)
            waiting += [(part, False) for part in (item.values() if isinstance(item, dict) else item)]
    for holder in holders:
        for key, part in list(holder.items() if isinstance(holder, dict) else enumerate(holder)):
            if id(part) in made:
                holder[key] = made[id(part)]
    return made.get(id(value), value)
