"""The table of weights in the docs is that of the manifest, and its sizes are those of the networks."""

import shutil
from functools import cache
from pathlib import Path

import pytest
import torch

import se_backbones
from se_backbones.lab.publish.weights_table import put_into_page
from se_backbones.pretrained.manifest import config_text, find, manifest
from se_backbones.registry import MODELS


def test_the_page_has_the_table_of_the_manifest(tmp_path):
    page = tmp_path / 'weights.md'
    shutil.copy(Path(se_backbones.config_path()).parent / 'docs' / 'weights.md', page)
    assert not put_into_page(page) and page.read_text().count('\n| `se_resnet50.cadene` |') == 1


@cache
def numbers_and_channels(config):
    """Return how many numbers a backbone holds, and the channels of its last map; a VGG has its classifier."""
    backbone = next(dict(row.backbone) for row in manifest().values() if config_text(row.backbone) == config)
    classes = {'num_classes': 1000} if backbone['type'] == 'se_backbones.VGG' else {}
    with torch.device('meta'):
        net = MODELS.build({**backbone, **classes})
    numbers = sum(value.numel() for key, value in net.state_dict().items() if 'num_batches' not in key)
    return numbers, -1 if classes else net.feature_info[-1].channels


def test_the_manifest_has_the_size_of_each_backbone_with_its_classifier():
    counted = {}
    for row in manifest().values():
        numbers, channels = numbers_and_channels(config_text(row.backbone))
        counted[row.name] = round(4 * (numbers + row.num_classes * (channels + 1)) / 1e6)
    assert {row.name: row.megabytes for row in manifest().values()} == counted


# Sizes that the hub's pages and the authors' README (in MiB) state.
@pytest.mark.parametrize(('name', 'size'), [
    ('se_resnextaa101d_32x8d.timm_sw_in12k_ft_in1k', 375), ('se_resnextaa101d_32x8d.timm_sw_in12k', 464),
    ('se_resnextaa201d_32x8d.timm_sw_in12k', 688), ('se_resnet50.caffe', 107 * 2**20 / 1e6)])
def test_sizes_are_those_of_the_files(name, size):
    assert find(name).megabytes == pytest.approx(size, abs=1)
