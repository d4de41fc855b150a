"""Data sets that are made on the spot, from what the installed packages bring along."""

from se_backbones.lab.digits.cluttered_digits import make_cluttered_digits
from se_backbones.lab.digits.digit_scenes import make_digit_scenes, preview_scenes
from se_backbones.lab.digits.single_digits import make_single_digits, preview_digits
from se_backbones.lab.made_folder import MadeFolder

__all__ = ['MadeFolder', 'make_cluttered_digits', 'make_digit_scenes', 'make_single_digits', 'preview_digits',
           'preview_scenes']
