"""GE (theta, extent 2) ResNet-18 of a quarter of the width on single digits.

The maps of a 32 px image are 8, 4, 2 and 1 wide: a larger extent would be global at once.

    se-backbones data digits --kind digits
    se-backbones train configs/digits/resnet18_ge.py                # under two minutes on two CPU cores
"""
_base_ = './resnet18.py'

model = dict(backbone=dict(context=dict(op=dict(type='GatherExcite', variant='theta', extent=2))))
