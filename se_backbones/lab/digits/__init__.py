"""Datasets made from the data of installed packages, without a download."""

from se_backbones.lab.digits.digit_scenes import make_digit_scenes
from se_backbones.lab.digits.single_digits import make_single_digits
from se_backbones.lab.made_folder import MadeFolder
from se_backbones.utils.on_demand import on_demand

__all__ = ['MadeFolder', 'make_digit_scenes', 'make_single_digits', 'preview_digits', 'preview_scenes']

__getattr__ = on_demand(__name__, previews=('preview_digits', 'preview_scenes'))
