"""The loss on the validation set, which the papers' plateau schedules monitor."""

from collections.abc import Sequence

import torch
from mmengine.evaluator import BaseMetric

from se_backbones.registry import METRICS


@METRICS.register_module()
class ValidationLoss(BaseMetric):
    """Mean cross entropy of mmpretrain's classifiers, without label smoothing, as ``validation/loss``.

    For ``param_scheduler=dict(type='ReduceOnPlateauParamScheduler', param_name='lr', monitor='validation/loss')``; it
    reads the predicted probabilities that ``Accuracy`` reads, so that no second forward pass is needed.

    Args:
        collect_device, prefix: See mmengine's ``BaseMetric``.
    """

    default_prefix = 'validation'

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            # A probability that underflows to zero would make the mean infinite.
            probability = sample['pred_score'][sample['gt_label']].float().clamp_min(torch.finfo(torch.float32).tiny)
            self.results.append(-probability.log().item())

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        return dict(loss=sum(results) / len(results))
