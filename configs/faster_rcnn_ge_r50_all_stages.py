"""faster_rcnn_ge_r50.py with operators in all four stages, as in the GE paper; backward runs through the frozen stage."""
_base_ = './faster_rcnn_ge_r50.py'

model = dict(backbone=dict(context=dict(stages=(True, True, True, True))))
