"""The table of weights in the docs is that of the manifest."""

from pathlib import Path

import pytest

import se_backbones
from se_backbones.lab.publish.weights_table import megabytes, with_table
from se_backbones.pretrained.manifest import find


def test_the_page_has_the_table_of_the_manifest():
    page = (Path(se_backbones.config_path()).parent / 'docs' / 'weights.md').read_text()
    assert with_table(page) == page and page.count('\n| `se_resnet50.cadene` |') == 1


# Sizes that the hub's pages and the authors' README (in MiB) state.
@pytest.mark.parametrize(('name', 'size'), [
    ('se_resnextaa101d_32x8d.timm_sw_in12k_ft_in1k', 375), ('se_resnextaa101d_32x8d.timm_sw_in12k', 464),
    ('se_resnextaa201d_32x8d.timm_sw_in12k', 688), ('se_resnet50.caffe', 107 * 2**20 / 1e6)])
def test_sizes_are_those_of_the_files(name, size):
    assert megabytes(find(name)) == pytest.approx(size, abs=1)
