"""ge_bn.py with group norm in the gathers.

    se-backbones train configs/digits/gather_norms/ge_gn.py    # after start.py
"""
_base_ = './ge_bn.py'

model = dict(backbone=dict(context=dict(op=dict(norm_cfg=dict(_delete_=True, type='GN', num_groups=4)))))
