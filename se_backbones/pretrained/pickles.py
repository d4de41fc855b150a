"""Check the opcodes of a pickle for what would exhaust memory or the stack, though torch's reader runs no code."""

import pickletools
from typing import IO, Any

# The one name that torch allows and that makes memory of any size out of a number.
_BYTEARRAY = {'builtins bytearray', '__builtin__ bytearray'}
# A dict hashes its keys; that of a tuple in a tuple in a tuple ... overflows the stack of C, which ends the process.
# Checkpoints nest a handful.
_DEEPEST = 100
_TUPLES = {'TUPLE', 'TUPLE1', 'TUPLE2', 'TUPLE3'}


class UnsafePickleError(Exception):
    """A pickle would take memory without end or end the process; the text completes "the file ..."."""


def check_pickle(pickle: IO[bytes]) -> None:
    """Check one pickle, up to and with its end.

    Raises:
        UnsafePickleError: It would.
        ValueError: It is not a pickle.
    """
    stack: list[Any] = []  # how deep each object is nested in tuples
    memo: dict[int, int] = {}
    for opcode, argument, _ in pickletools.genops(pickle):
        if opcode.name == 'GLOBAL' and argument in _BYTEARRAY:
            raise UnsafePickleError('wants to import bytearray')
        if opcode.name in ('BINPUT', 'LONG_BINPUT', 'PUT'):
            memo[int(argument)] = _top(stack)
            continue
        taken = _take(stack, opcode.stack_before)
        if opcode.name in _TUPLES:
            made = 1 + max(taken, default=0)
            if made > _DEEPEST:
                raise UnsafePickleError(f'holds tuples in tuples, more than {_DEEPEST} deep')
        else:
            made = memo.get(int(argument), 0) if opcode.name in ('BINGET', 'LONG_BINGET', 'GET') else 0
        stack += [None if kind is pickletools.markobject else made for kind in opcode.stack_after]


def _take(stack: list[Any], kinds: list[Any]) -> list[int]:
    """Take what an opcode takes off the stack; return how deep these objects are."""
    taken: list[int] = []
    for kind in reversed(kinds):
        if kind is pickletools.stackslice:
            while stack and stack[-1] is not None:
                taken.append(stack.pop())
        elif not stack:
            raise ValueError('the pickle pops from an empty stack')
        elif (top := stack.pop()) is not None:
            taken.append(top)
    return taken


def _top(stack: list[Any]) -> int:
    if not stack or stack[-1] is None:
        raise ValueError('the pickle stores in its memo from an empty stack')
    return stack[-1]
