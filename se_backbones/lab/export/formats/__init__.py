"""The kinds of files: each module turns a network into bytes, and bytes into a function from images to outputs."""

from importlib import import_module

from se_backbones.lab.export import SUFFIXES

FORMATS = {name: import_module(f'{__name__}.{name.replace("-", "_")}') for name in SUFFIXES}
