"""Published weights: names, downloads, safe reading, key layouts."""

from se_backbones.utils.on_demand import on_demand

__all__ = ['Pretrained']

# se-backbones weights lists without the seconds that it takes to import all networks.
__getattr__ = on_demand(__name__, pretrained=('Pretrained',))
