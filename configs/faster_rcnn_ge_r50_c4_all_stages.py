"""faster_rcnn_ge_r50_c4.py with operators in all stages, as in the GE paper; backward runs through the frozen stage."""
_base_ = './faster_rcnn_ge_r50_c4.py'

model = dict(backbone=dict(context=dict(stages=(True, True, True))))
