"""Check that a checkpoint for testing or inference has every tensor of the model."""

from collections.abc import Mapping

from torch import Tensor, nn

from se_backbones.models.loading import MisfitError
from se_backbones.models.loading.coverage import unmatched
from se_backbones.utils.validation import first_few


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
