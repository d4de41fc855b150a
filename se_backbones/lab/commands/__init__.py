"""What the command ``se-backbones`` and the files in ``tools/`` do: options, one call of the library, print or save.

A module for each, with ``parse_args`` and ``main``. They import torch and the hosts, which takes seconds, when options
and config are known to be right.
"""
