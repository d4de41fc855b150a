"""SENet-154 on ImageNet, the last five epochs, with frozen norms.

SE Table VIII, row "SENet-154, 224 pixels": 18.68 / 4.47.

"The parameters of all BN layers were frozen for the last few training epochs" (SE paper, appendix); five is inferred.

    tools/dist_train.sh configs/senet/senet154/senet154-frozen-bn_64xb32_in1k.py 8 --resume work_dirs/senet154_64xb32_in1k/epoch_95.pth --cfg-options optim_wrapper.accumulative_counts=8

Cost: about 8 Titan X x 8 hours (estimate, see the README).
"""
_base_ = ['./senet154_64xb32_in1k.py']

model = dict(backbone=dict(norm_eval=True, norm_cfg=dict(type='BN', requires_grad=False)))
