"""A host's inferencer with a checkpoint: no code of it is run, and all of the model is in it."""

from collections.abc import Callable
from typing import Any

from se_backbones.pretrained.complete import check_complete
from se_backbones.pretrained.guard import no_code_from_checkpoints
from se_backbones.pretrained.source import load


def loaded(make: Callable[[], Any], checkpoint: str) -> Any:
    """Return what ``make`` builds from a checkpoint: a model, or something with a ``model``.

    Raises:
        WeightsError: The checkpoint cannot be loaded.
        MisfitError: It does not hold the whole model.
    """
    with no_code_from_checkpoints():
        made = make()
    check_complete(getattr(made, 'model', made), load(checkpoint).state, checkpoint)
    return made
