"""ImageNet as in the SE paper's section 5.1: random crop of scale and aspect, mirror, mean subtraction; 256/224 test.

BGR with the means 104, 117, 123 and no division, as the released prototxts. Data: data/imagenet/{train,val}/<class>/.
"""
_base_ = 'mmpretrain::_base_/datasets/imagenet_bs32.py'

data_preprocessor = dict(mean=[104, 117, 123], std=[1, 1, 1], to_rgb=False)
train_dataloader = dict(persistent_workers=True)
val_dataloader = dict(persistent_workers=True)
test_dataloader = dict(persistent_workers=True)

# The second one is what schedules that wait for a plateau watch.
val_evaluator = [dict(type='Accuracy', topk=(1, 5)), dict(type='se_backbones.ValidationLoss')]
test_evaluator = val_evaluator
