"""mmcv's compiled module ``mmcv._ext`` on torchvision's operators: detectors run where nothing was compiled.

A compiled one is preferred, and made right for channels_last maps (:mod:`se_backbones.mmcv_ext.finder`).
``se-backbones mmcv install`` serves scripts that use mmcv before this package is imported
(:mod:`se_backbones.mmcv_ext.install`). The functions are in :mod:`se_backbones.mmcv_ext.operators`.
"""
