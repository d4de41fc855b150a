"""mmengine hooks; any config adds them with ``custom_hooks=[dict(type='se_backbones.<name>')]``."""

from se_backbones.engine.checkpoint_hook import CheckpointHook
from se_backbones.engine.gate_saturation import GateSaturationHook

__all__ = ['CheckpointHook', 'GateSaturationHook']
