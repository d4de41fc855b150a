"""The version, stated once: read by setup.py and by `se_backbones.__version__`."""

__version__ = '0.1.0'
