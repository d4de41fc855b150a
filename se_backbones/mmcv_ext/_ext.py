"""mmcv's operators, on torchvision's. Written by `se-backbones mmcv install`."""
try:
    from se_backbones.mmcv_ext.operators import *  # noqa: F403
    from se_backbones.mmcv_ext.operators import __getattr__  # noqa: F401
except ModuleNotFoundError as error:
    if not (error.name or '').startswith('se_backbones'):
        raise
    raise ImportError(f'mmcv has no compiled operators here, and se_backbones, on which {__file__} rests, is not '
                      'installed any more: install it, or delete that file and compile mmcv.') from None
