"""mmengine hooks, an optimizer wrapper, for any config by the name ``se_backbones.<name>``, and checks before a run."""

from se_backbones.utils.on_demand import on_demand

__all__ = ['BFloat16OptimWrapper', 'ChannelsLastHook', 'CheckpointHook', 'GateSaturationHook', 'InvalidLossHook',
           'PreflightHook']

# The checks are made by tools that have not imported torch yet.
__getattr__ = on_demand(__name__, bfloat16=('BFloat16OptimWrapper',), channels_last=('ChannelsLastHook',),
                        checkpoint_hook=('CheckpointHook',), gate_saturation=('GateSaturationHook',),
                        invalid_loss=('InvalidLossHook',), preflight_hook=('PreflightHook',))
