"""An exported network in place of the model, for the evaluation of a file."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


def images_of(batch: dict) -> list[Tensor]:
    """Return the images of a batch of the test loader one by one, ``(1, 3, H, W)``, as exported networks take them."""
    return [image[None].float() for image in batch['inputs']]


class Deployed(nn.Module):
    """What evaluates a model evaluates the file: ``test_step(batch)`` returns the data samples with predictions.

    Args:
        run: ``images -> outputs``, what a format makes of a file.
        part: What was exported, which knows where its outputs go.
    """

    def __init__(self, run: Callable[[Tensor], list[Tensor]], part: nn.Module):
        super().__init__()
        self.run = run
        self.part = part

    def test_step(self, batch: dict) -> list[Any]:
        """Return the data samples of a batch with the predictions in them."""
        return [self.part.prediction(self.run(image), sample)
                for image, sample in zip(images_of(batch), batch['data_samples'], strict=True)]
