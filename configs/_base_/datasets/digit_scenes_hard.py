"""Hard digit scenes; `se-backbones data digits --hard` makes them: few, of small digits among clutter."""
_base_ = './digit_scenes.py'

data_root = 'data/hard_digit_scenes/'
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'annotations/instances_val.json')
test_evaluator = val_evaluator
