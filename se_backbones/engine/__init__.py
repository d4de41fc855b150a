"""mmengine hooks, for ``custom_hooks=[dict(type='se_backbones.<name>')]`` in any config, and checks before a run."""

from se_backbones.utils.on_demand import on_demand

__all__ = ['CheckpointHook', 'GateSaturationHook', 'InvalidLossHook', 'PreflightHook']

# The checks are made by tools that have not imported torch yet.
__getattr__ = on_demand(__name__, checkpoint_hook=('CheckpointHook',), gate_saturation=('GateSaturationHook',),
                        invalid_loss=('InvalidLossHook',), preflight_hook=('PreflightHook',))
