"""A small classifier with known images, which the analyses look at without a host library."""

import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import MODELS
from mmengine.structures import BaseDataElement
from torch import nn
from torch.utils.data import DataLoader

from se_backbones.lab.analysis.subject import Subject


class Classifier(BaseModel):
    """A backbone, the mean of its last map, and a linear layer."""

    def __init__(self, backbone, num_classes=3):
        super().__init__()
        self.backbone = backbone if isinstance(backbone, nn.Module) else MODELS.build(backbone)
        self.head = nn.LazyLinear(num_classes)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        scores = self.head(self.features(inputs).mean((2, 3)))
        if mode == 'loss':
            target = torch.stack([sample.gt_label for sample in data_samples]).flatten()
            return dict(loss=nn.functional.cross_entropy(scores, target))
        if mode == 'tensor':
            return scores
        for sample, score in zip(data_samples, scores, strict=True):
            sample.pred_score = score
        return data_samples

    def features(self, inputs):
        maps = self.backbone(inputs)
        return maps[-1] if isinstance(maps, tuple) else maps


class MeanScore(BaseMetric):
    """The mean score of the right class: unlike accuracy, it changes with every change of the network."""

    default_prefix = 'mean'

    def process(self, data_batch, data_samples):
        self.results += [float(sample['pred_score'][sample['gt_label']]) for sample in data_samples]

    def compute_metrics(self, results):
        # As mmpretrain's SingleLabelMetric with average=None: a number for each class.
        return dict(score=sum(results) / len(results), images=len(results), classwise=results)


class Images(list):
    metainfo = dict(classes=('ant', 'bee', 'cow'))


def collate(samples):
    return dict(inputs=torch.stack([image for image, _ in samples]), data_samples=[
        BaseDataElement(gt_label=torch.tensor([label])) for _, label in samples])


@pytest.fixture
def subject():
    """Return a function that puts a backbone and ``[(image, label)]`` together."""
    def make(backbone, images=None, batch_size=4):
        if images is None:
            images = [(torch.randn(3, 32, 32), label % 3) for label in range(10)]
        model = Classifier(backbone).eval()
        if images:
            model(torch.stack([image for image, _ in images]))  # the linear layer learns its width
        loader = DataLoader(Images(images), batch_size, collate_fn=collate)
        cfg = Config(dict(test_evaluator=dict(type=MeanScore)))
        cfg.model = dict(type=Classifier, backbone=backbone) if isinstance(backbone, dict) else None
        return Subject(model, loader, Images.metainfo['classes'], cfg)
    return make


@pytest.fixture
def narrow():
    """Return a function that gives the config of a ResNet of four units, as if trained."""
    def make(op=None, **kwargs):
        context = op and dict(op=op, **{key: kwargs.pop(key) for key in ('placement', 'stages') if key in kwargs})
        return dict(type='se_backbones.ResNet', depth=(1, 2, 1), block='basic', base_channels=4, context=context,
                    zero_init_residual=False, **kwargs)
    return make
