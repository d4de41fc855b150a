"""A host's inferencer with a checkpoint: no code of it is run, and all of the model is in it."""

from collections.abc import Callable, Mapping
from typing import Any

from se_backbones.pretrained.complete import load_complete
from se_backbones.pretrained.guard import no_code_from_checkpoints


def loaded(make: Callable[[], Any], checkpoint: str, cfg: Mapping) -> Any:
    """Return what ``make`` builds of a config and a checkpoint: a model, or something with a ``model``.

    Raises:
        WeightsError: The checkpoint cannot be loaded.
        MisfitError: It does not hold the whole model.
    """
    with no_code_from_checkpoints():
        made = make()
    load_complete(getattr(made, 'model', made), checkpoint, cfg)
    return made
