"""Make mmengine read checkpoints without running code, while a Runner or an inferencer works.

mmengine falls back to pickle's own rules for a file that torch's ``weights_only`` refuses, and with torch before 2.6 it
knows no others: a checkpoint could run anything. Training with a host's own tools keeps the host's rules.
"""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.runner.checkpoint import CheckpointLoader

from se_backbones.pretrained import source
from se_backbones.pretrained.reading import refusal, weights_only


@contextmanager
def no_code_from_checkpoints() -> Iterator[None]:
    """While it is open, this process and those that it starts read checkpoints without running code of theirs.

    Paths, URLs and names go through our reader, which knows all that a Runner saves; whatever else calls ``torch.load``
    gets ``weights_only=True``. All is as before when it closes.
    """
    schemes = CheckpointLoader._schemes
    CheckpointLoader._schemes = schemes.copy()
    CheckpointLoader.register_scheme(source.PREFIXES, load_from_weights_only, force=True)
    try:
        with weights_only():
            yield
    except pickle.UnpicklingError as error:  # of whoever reads checkpoints by other ways than ours
        if 'Weights only load failed' not in str(error):
            raise
        raise refusal('A checkpoint', error) from None
    finally:
        CheckpointLoader._schemes = schemes


def load_from_weights_only(filename: str, map_location: str | None = None) -> dict:
    """Return what a checkpoint holds; mmengine's log takes a part of this function's name."""
    return source.load_all(filename, map_location or 'cpu')
