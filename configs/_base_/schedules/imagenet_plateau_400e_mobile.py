"""400 epochs of the plateau schedule, for MobileNet and ShuffleNet (SE paper, section 5.1; GE paper, section 3.3).

"Regularisation as in" the ShuffleNet paper: weight decay 4e-5 (arXiv 1707.01083, section 4). Inferred: 20 epochs of
patience; the other network and paper as these.
"""
_base_ = './imagenet_plateau_300e.py'

train_cfg = dict(max_epochs=400)
optim_wrapper = dict(optimizer=dict(weight_decay=4e-5))
param_scheduler = dict(patience=20)
