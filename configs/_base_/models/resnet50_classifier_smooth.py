"""ResNet-50 trained with label smoothing, as in the SE paper's section 6; 0.1 is inferred from the paper it cites."""
_base_ = './resnet50_classifier.py'

model = dict(head=dict(loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1)))
