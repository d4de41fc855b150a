"""300 epochs, batch 256, learning rate 0.1 divided by 10 where the validation loss stops falling, three times.

SE paper, section 6; GE paper, section 3. Inferred: weight decay 1e-4; "stops falling" is 15 epochs without a new lowest
loss. A run that has not had its three drops by epoch 300 ends there.
"""
train_cfg = dict(by_epoch=True, max_epochs=300, val_interval=1)
val_cfg = dict()
test_cfg = dict()

optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4))
param_scheduler = dict(
    type='se_backbones.ReduceOnPlateauLR', monitor='validation/loss', rule='less', factor=0.1, patience=15, max_drops=3)
auto_scale_lr = dict(base_batch_size=256)
