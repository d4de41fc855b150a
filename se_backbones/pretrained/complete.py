"""A checkpoint for testing or inference: it has every tensor of the model, whose images are those that it needs."""

from collections.abc import Mapping

from torch import Tensor, nn

from se_backbones.models.loading import MisfitError
from se_backbones.models.loading.coverage import unmatched
from se_backbones.pretrained.requirements import warn_about_images
from se_backbones.pretrained.source import Source, load
from se_backbones.utils.validation import first_few


def load_complete(model: nn.Module, checkpoint: str, cfg: Mapping) -> Source:
    """Return the checkpoint that a config's model is tested with.

    Published weights that were trained on other images than the config has are warned of.

    Raises:
        WeightsError: The checkpoint cannot be loaded; no code of it is run.
        MisfitError: It does not have the whole model.
    """
    warn_about_images({**cfg, 'load_from': checkpoint})
    source = load(checkpoint)
    check_complete(model, source.state, checkpoint)
    return source


def check_complete(model: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    """Refuse a checkpoint that does not have a value for every tensor of a model, heads included.

    Args:
        model: Wrapped for several processes or not.
        state: The checkpoint's tensors.
        name: Of the checkpoint, for the message.

    Raises:
        MisfitError: It has not: it belongs to another network, and what is missing would be random.
    """
    absent = unmatched({key.removeprefix('module.'): value for key, value in model.state_dict().items()}, state)
    if not absent:
        return
    cause = ('was it trained with this config?' if not all('.context.' in key for key in absent) else
             'it is of a plain network, into which operators can be inserted for training '
             '(load_from, init_cfg); until then nothing is gained by testing them.')
    raise MisfitError(f'{name} has no value, or one of another shape, for {len(absent)} tensors of this network '
                      f'({first_few(absent, 3)}): {cause}')
