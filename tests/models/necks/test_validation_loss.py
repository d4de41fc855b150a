"""The validation loss is torch's cross entropy of the logits, over batches and whatever the last one's size."""

import math

import pytest
import torch
from mmengine.evaluator import Evaluator
from mmpretrain.structures import DataSample

from se_backbones.evaluation.validation_loss import ValidationLoss


def evaluate(scores, labels, batch=4):
    evaluator = Evaluator(ValidationLoss())
    for start in range(0, len(labels), batch):
        evaluator.process([DataSample().set_pred_score(score).set_gt_label(int(label))
                           for score, label in zip(scores[start:start + batch], labels[start:start + batch])])
    return evaluator.evaluate(len(labels))


def test_it_is_the_mean_cross_entropy():
    logits, labels = torch.randn(10, 7), torch.randint(0, 7, (10,))
    found = evaluate(logits.softmax(1), labels)
    expected = torch.nn.functional.cross_entropy(logits, labels).item()
    assert found == {'validation/loss': pytest.approx(expected, rel=1e-5)}


def test_a_probability_of_zero_does_not_make_it_infinite():
    found = evaluate(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([1, 0]))['validation/loss']
    assert found == pytest.approx(-math.log(torch.finfo(torch.float32).tiny) / 2)


def test_half_precision_scores_are_taken():
    found = evaluate(torch.tensor([[0.25, 0.75]], dtype=torch.float16), torch.tensor([0]))['validation/loss']
    assert found == pytest.approx(math.log(4))
