"""ge_bn.py with gather norms in eval mode: new ones have mean 0 and variance 1, so that only scale and shift learn.

    se-backbones train configs/digits/gather_norms/ge_frozen.py    # after start.py
"""
_base_ = './ge_bn.py'

model = dict(backbone=dict(context=dict(freeze_with_stage=True)))
