"""mmdet's runtime for schedules counted in iterations: logs and checkpoints count them too."""
_base_ = 'mmdet::_base_/default_runtime.py'

default_hooks = dict(checkpoint=dict(by_epoch=False, interval=20000))
log_processor = dict(by_epoch=False)
