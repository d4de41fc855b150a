"""Options of a load that torch's arguments do not have."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


class MisfitError(ValueError):
    """A checkpoint does not belong to the network that it is loaded into."""


@dataclass(frozen=True)
class Request:
    """How a checkpoint is to be loaded.

    Attributes:
        checkpoint: Its name, for messages.
        key: The config key that asked for it, for messages.
        strict: True: what does not fit is an error. False: a warning. None, which is what all but our initialiser
            ask for: tensors that do not fit are a warning, as with ``load_state_dict`` of mmengine, and
            settings that do not are an error.
        insertion: In place of the one in ``context``, if it is not None.
    """

    checkpoint: str = 'the checkpoint'
    key: str = ''
    strict: bool | None = None
    insertion: str | None = None

    def refusal(self, *sentences: str) -> MisfitError:
        """Return the error that says why nothing is loaded."""
        return MisfitError(f'{self.key}{" ".join(sentences)} init_cfg=dict(..., strict=False) loads what fits anyway.')


_request: ContextVar[Request] = ContextVar('request')


def requested() -> Request:
    """Return the request that the load under way was made with."""
    return _request.get(Request())


@contextmanager
def loading(request: Request) -> Iterator[None]:
    """While it is open, our modules load as ``request`` says."""
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)
