"""The initialiser that loads a checkpoint: ``init_cfg=dict(type='se_backbones.Pretrained', checkpoint=...)``."""

import logging
import re

from mmengine.logging import print_log
from mmengine.model.weight_init import update_init_info
from mmengine.runner.checkpoint import CheckpointLoader, load_state_dict
from torch import Tensor, nn

from se_backbones.checks import one_of
from se_backbones.registry import WEIGHT_INITIALIZERS
from se_backbones.weights.insertion import POLICIES, host_layers, insert, missing_operators, placed_operators


@WEIGHT_INITIALIZERS.register_module()
class Pretrained:
    """Load a checkpoint, insert operators into plain weights, and refuse a checkpoint that fits nothing.

    Our backbones turn mmengine's ``Pretrained`` into this one. Given to a whole detector, it loads the detector and
    inserts the operators of its backbone and shared head.

    Args:
        checkpoint: Path, URL or ``torchvision://``, ``open-mmlab://``, ... name, as mmengine takes it.
        prefix: Part of the checkpoint to load, such as ``'backbone.'``; None: all of it.
        insertion: What happens to operators for which the checkpoint has no tensors. ``'preserve'``: the network
            computes what the plain one did; ``'fresh'``: the gates start as drawn, near 0.5, and change the function.
        map_location: As in ``torch.load``.

    Raises:
        ValueError: No tensor of the checkpoint fits, it holds part of an operator, or ``'preserve'`` is impossible for
            an operator's placement or gate.
    """

    def __init__(self, checkpoint: str, prefix: str | None = None, insertion: str = 'preserve',
                 map_location: str = 'cpu'):
        self.checkpoint = checkpoint
        self.prefix = prefix
        self.insertion = one_of('init_cfg.insertion', insertion, POLICIES)
        self.map_location = map_location

    def __call__(self, module: nn.Module) -> None:
        # For a module of another library mmengine calls this before the children's own initialisation, which would
        # undo the loading; done here, it is not done again.
        for child in module.children():
            if hasattr(child, 'init_weights') and not getattr(child, 'is_init', False):
                child.init_weights()
        state = self._read()
        fitting = self._fitting(module, state)
        missing = missing_operators(module, fitting)
        layers = host_layers(module, missing, fitting) if self.insertion == 'preserve' else []
        print_log(f'load {self.prefix or "all"} from {self.checkpoint}', logger='current')
        # Inserted operators keep what they have; naming their hundreds of tensors as missing would bury a real miss.
        own = module.state_dict()
        kept = {key: own[key] for placed in missing for key in own if key.startswith(f'{placed.name}.')}
        load_state_dict(module, {**kept, **state}, strict=False, logger='current')
        insert(layers)
        self._report(module, missing, layers, fitting)
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=f'{type(self).__name__}: load from {self.checkpoint}')

    def _read(self) -> dict[str, Tensor]:
        checkpoint = CheckpointLoader.load_checkpoint(self.checkpoint, self.map_location, logger='current')
        state = checkpoint.get('state_dict', checkpoint)
        state = {re.sub(r'^module\.', '', key): value for key, value in state.items()}
        if self.prefix is None:
            return state
        prefix = self.prefix.removesuffix('.') + '.'
        part = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        if not part:
            starts = sorted({key.split('.')[0] + '.' for key in state})
            raise ValueError(f'init_cfg.prefix={self.prefix!r}: no key of {self.checkpoint} starts with it; they start '
                             f'with {", ".join(starts[:8])}.')
        return part

    def _fitting(self, module: nn.Module, state: dict[str, Tensor]) -> set[str]:
        """Return the keys that the module has in the same shape."""
        own = module.state_dict()
        fitting = {key for key, value in state.items() if key in own and own[key].shape == value.shape}
        if not fitting:
            starts = sorted({key.split('.')[0] + '.' for key in state})
            raise ValueError(
                f'init_cfg: none of the {len(own)} tensors of {type(module).__name__} is in {self.checkpoint}, whose '
                f'keys start with {", ".join(starts[:8])}. A checkpoint of a whole model needs prefix="backbone.".')
        return fitting

    def _report(self, module: nn.Module, missing: list, layers: list, fitting: set[str]) -> None:
        if layers:
            print_log(f'Inserted {len(layers)} operators into the plain weights of {self.checkpoint}: each gate starts '
                      'at 0.5 and the layer it gates is doubled, so the network computes what it did.',
                      logger='current')
        fresh = len(missing) - len(layers)
        if fresh:
            print_log(f'{fresh} operators start with fresh gates, for {self.checkpoint} has no tensors for them: they '
                      'change what the loaded network computes.', logger='current', level=logging.WARNING)
        fixed = [placed for placed in placed_operators(module) if placed.operator.logit_layer is None]
        if fixed:
            print_log(f'{len(fixed)} operators without parameters (theta_minus) gate the weights of {self.checkpoint}. '
                      'If these come from a plain network, the gates change its function; training adapts the rest.',
                      logger='current', level=logging.WARNING)
        plain = [key for key in module.state_dict() if '.context.' not in key and 'num_batches_tracked' not in key]
        absent = [key for key in plain if key not in fitting]
        if absent:
            print_log(f'{len(plain) - len(absent)} of {len(plain)} tensors of {type(module).__name__} were loaded from '
                      f'{self.checkpoint}; not {", ".join(absent[:5])}{", ..." if len(absent) > 5 else ""}.',
                      logger='current', level=logging.WARNING)
