"""The table of published weights, held against what the libraries themselves say of their files."""

import json
import re
from functools import partial
from importlib.util import find_spec
from math import floor
from pathlib import Path

import pytest
import torch
import yaml

from se_backbones.pretrained.errors import WeightsError
from se_backbones.pretrained.layouts import LAYOUTS
from se_backbones.pretrained.manifest import MANIFEST, Weights, architectures, find, manifest, read_manifest
from se_backbones.registry import MODELS

ROWS = list(manifest().values())
# timm's name of each of its weights.
TIMM = {row.name: row.timm for row in ROWS if row.timm}
# Where timm's network is not the one of Cadene's file name.
CADENE = {
    'se_resnext50_32x4d.cadene': 'legacy_seresnext50_32x4d',
    'se_resnext101_32x4d.cadene': 'legacy_seresnext101_32x4d',
    'senet154.cadene': 'legacy_senet154',
}


def networks(rows):
    """Return the names of the rows, one for each network of each library."""
    return {(row.layout, str(row.backbone)): row.name for row in rows}.values()


of_timm = pytest.mark.parametrize('name', TIMM)
of_torchvision = pytest.mark.parametrize('name', [row.name for row in ROWS if row.layout == 'torchvision'])
of_mmpretrain = pytest.mark.parametrize('name', [row.name for row in ROWS if row.layout == 'mmpretrain'])
of_mmdet = pytest.mark.parametrize('name', [row.name for row in ROWS if row.layout == 'mmdet-caffe'])


def check(row):
    """Its name, kinds and ranges of its values, and addresses that lead to its file."""
    assert re.fullmatch(r'[a-z0-9_]+\.[a-z0-9_]+', row.name) and row.name.split('.')[0] == row.arch
    assert row.layout in {*LAYOUTS, 'caffe-senet', 'mindspore'}
    for key, kind in Weights.__annotations__.items():
        assert isinstance(getattr(row, key), (int, float, type(None)) if key in ('dropout', 'top1', 'top5') else
                          getattr(kind, '__origin__', kind)), key
    assert row.num_classes in (0, 1000, 11821) and 0 <= row.dropout < 1
    assert row.resize >= row.crop >= 160 and row.interpolation in ('bilinear', 'bicubic')
    assert (row.top1 is None) == (row.num_classes != 1000) and (row.top1 or row.top5 is None)
    assert row.top1 is None or 63 < row.top1 < (row.top5 or 99) <= 99
    p = row.preprocessing
    assert p.channel_order in ('rgb', 'bgr') and all(isinstance(value, float) for value in (*p.mean, *p.std))
    # Of pixels from 0 to 255, not of fractions.
    assert len(p.mean) == len(p.std) == 3 and min(p.mean) > 100
    assert row.source and row.licence
    # Of files that torch publishes the name ends in the first digits of their hash.
    assert Path(row.file).name == row.file and Path(row.file).suffix in ('.pth', '.safetensors', '.caffemodel', '.ckpt')
    if row.file.endswith('.pth'):
        digits = Path(row.file).stem.rpartition('-')[2]
        assert re.fullmatch('[0-9a-f]{8,9}', digits) and re.fullmatch(f'{digits}([0-9a-f]{{56}})?', row.sha256)
    else:
        assert len(row.sha256) == (64 if row.layout == 'mindspore' else 0)
    assert row.page.startswith('https://') and (row.urls or row.page.startswith('https://drive.google.com/file/d/'))
    for url in row.urls:
        assert url.startswith('https://') and (url.endswith(f'/{row.file}') or url.endswith('/model.safetensors'))


def test_every_row_is_whole():
    for row in ROWS:
        try:
            check(row)
        except AssertionError as error:
            raise AssertionError(f'{row.name}: {error}') from error


def test_every_architecture_has_weights_and_no_two_rows_share_a_name_or_a_file():
    assert {row.arch for row in ROWS} == set(architectures())
    assert MANIFEST.read_text().count("name = '") == len(ROWS) == len({row.file for row in ROWS})


@pytest.mark.parametrize('name', networks(row for row in ROWS if row.layout == 'caffe-senet'))
def test_our_backbone_of_the_authors_networks_has_the_size_of_their_file(name):
    # The README's sizes in MiB; they hold all parameters, the statistics of the norms and the classifier, 4 bytes each.
    sizes = {'se_bn_inception': 46, 'se_resnet50': 107, 'se_resnet101': 189, 'se_resnet152': 256,
             'se_resnext50_32x4d': 105, 'se_resnext101_32x4d': 187, 'senet154': 440}
    row = find(name)
    with torch.device('meta'):
        backbone = MODELS.build(dict(row.backbone))
    numbers = sum(value.numel() for key, value in backbone.state_dict().items() if 'num_batches' not in key)
    classifier = (backbone.feature_info[-1].channels + 1) * 1000
    assert (numbers + classifier) * 4 / 2**20 == pytest.approx(sizes[row.arch], abs=1)


def test_the_papers_networks_pool_and_stride_as_caffe():
    for origin in ('caffe', 'cadene'):
        for depth in (50, 101, 152):
            backbone = find(f'se_resnet{depth}.{origin}').backbone
            assert (backbone['style'], backbone['stem_pool']) == ('caffe', 'caffe')
        for arch in ('se_resnext50_32x4d', 'se_resnext101_32x4d', 'senet154'):
            backbone = find(f'{arch}.{origin}').backbone
            assert (backbone.get('style', 'pytorch'), backbone['stem_pool']) == ('pytorch', 'caffe')
    assert all(row.dropout == 0.2 for row in ROWS if row.arch == 'senet154')


@pytest.mark.parametrize('row', [
    # hujie-frank/SENet, README, Table 1: errors in per cent.
    ('se_bn_inception', 23.62, 7.04), ('se_resnet50', 22.37, 6.36), ('se_resnet101', 21.75, 5.72),
    ('se_resnet152', 21.34, 5.54), ('se_resnext50_32x4d', 20.97, 5.54), ('se_resnext101_32x4d', 19.81, 4.96),
    ('senet154', 18.68, 4.47)], ids=lambda row: row[0])
def test_the_authors_networks_have_the_errors_of_their_readme(row):
    arch, top1_error, top5_error = row
    weights = find(f'{arch}.caffe')
    assert (weights.top1, weights.top5) == (pytest.approx(100 - top1_error), pytest.approx(100 - top5_error))
    assert weights.urls == () and weights.preprocessing.mean == (104, 117, 123)


@of_timm
def test_file_and_images_are_those_that_timm_names(name):
    models = pytest.importorskip('timm.models')
    row, cfg = find(name), models.get_pretrained_cfg(TIMM[name])
    url = cfg.url or f'https://huggingface.co/{cfg.hf_hub_id}/resolve/main/model.safetensors'
    assert _without_account(url) in map(_without_account, row.urls)
    # The model cards report at the size of training, the table at that of tests.
    larger = (cfg.test_input_size or cfg.input_size, cfg.test_crop_pct or cfg.crop_pct)
    size, part = (cfg.input_size, cfg.crop_pct) if row.source == 'timm, model cards' else larger
    assert row.crop == size[-1] and row.resize == floor(row.crop / part) and row.interpolation == cfg.interpolation
    assert row.num_classes == cfg.num_classes and row.licence.split(',')[0].lower() in (cfg.license, 'bsd-3-clause')
    assert row.preprocessing.channel_order == 'rgb'
    assert row.preprocessing.mean == pytest.approx([255 * value for value in cfg.mean])
    assert row.preprocessing.std == pytest.approx([255 * value for value in cfg.std])


def _without_account(url):
    # timm moved from one GitHub account to another; both addresses work. Some of the hub's have a commit.
    return re.sub('/resolve/[0-9a-f]{40}/', '/resolve/main/', url.replace('github.com/rwightman/',
                                                                         'github.com/huggingface/'))


def test_timms_networks_that_differ_from_ours_are_left_out():
    files = {row.file for row in ROWS}
    assert not files & {'seresnet18-4bb0ce65.pth', 'seresnet34-a4004e63.pth', 'seresnext26tn_32x4d-569cb627.pth'}


@of_torchvision
def test_file_images_and_accuracy_are_those_that_torchvision_names(name):
    from torchvision import models
    row = find(name)
    theirs = models.get_model_weights(row.arch)['IMAGENET1K_' + name.rpartition('_')[2].upper()]
    images, metrics = theirs.transforms(), theirs.meta['_metrics']['ImageNet-1K']
    assert row.urls == (theirs.url,)
    assert (row.top1, row.top5) == (metrics['acc@1'], metrics['acc@5'])
    assert [row.crop, row.resize] == [*images.crop_size, *images.resize_size]
    assert row.interpolation == images.interpolation.value
    assert row.preprocessing.mean == pytest.approx([255 * value for value in images.mean])
    assert row.preprocessing.std == pytest.approx([255 * value for value in images.std])


def test_every_resnet_weight_of_torchvision_is_there():
    from torchvision import models
    theirs = {weights.url for name in models.list_models(module=models) if 'resne' in name or name.endswith('_bn')
              for weights in models.get_model_weights(name)}
    assert theirs == {row.urls[0] for row in ROWS if row.layout == 'torchvision'}


@of_mmpretrain
def test_file_and_accuracy_are_those_of_mmpretrains_metafile(name):
    configs = Path(find_spec('mmpretrain').submodule_search_locations[0], '.mim', 'configs')
    row = find(name)
    # Of linear evaluations the folder is that of the method.
    folders = {'se_r': ['seresnet'], 'shuf': ['shufflenet_v1'], 'vgg1': ['vgg']}.get(
        name[:4], ['resnet', name.rpartition('_')[2]])
    models = [model for folder in folders if (configs / folder).exists()
              for model in yaml.safe_load((configs / folder / 'metafile.yml').read_text())['Models']]
    # The two OpenMMLab families name the two hosts.
    theirs, = (model for model in models if model.get('Weights') in row.urls)
    metrics = theirs['Results'][0]['Metrics']
    assert (row.top1, row.top5) == (metrics['Top 1 Accuracy'], metrics.get('Top 5 Accuracy'))


@of_mmdet
def test_file_is_one_that_mmengine_names(name):
    hub = Path(find_spec('mmengine').submodule_search_locations[0], 'hub', 'openmmlab.json')
    assert set(find(name).urls) & set(json.loads(hub.read_text()).values())


@of_mmdet
def test_caffe_networks_of_mmdet_take_bgr(name):
    row = find(name)
    assert (row.preprocessing.channel_order == 'bgr') == ('detectron' in name)


def test_mirrors_that_answer_come_first():
    for row in ROWS:
        hosts = [url.split('/')[2] for url in row.urls]
        if 'download.openmmlab.com' in hosts:
            assert hosts == ['mmassets.onedl.ai', 'download.openmmlab.com']
        if 'data.lip6.fr' in hosts and len(hosts) > 1:
            assert hosts == ['github.com', 'data.lip6.fr']


def test_an_unknown_name_gets_a_suggestion():
    with pytest.raises(WeightsError, match=r"'se_resnet50.cadane'.*Did you mean 'se_resnet50.cadene'"):
        find('se_resnet50.cadane')


def test_changing_an_architecture_changes_no_row():
    architectures()['se_resnet50']['context']['op']['ratio'] = 2
    assert find('se_resnet50.cadene').backbone['context'] == architectures()['se_resnet50']['context']
    assert architectures()['se_resnet50']['context'] == {'op': {'type': 'SqueezeExcite', 'ratio': 16}}


SMALL = """
architectures = {a = {type = 'A', depth = 1, context = 2}}
[defaults]
preprocessing = {channel_order = 'rgb', mean = [1, 2, 3], std = [1, 2, 3]}
num_classes = 1000
dropout = 0.0
crop = 224
resize = 256
interpolation = 'bilinear'
[sources.x]
layout = 'timm'
page = 'https://x'
urls = ['https://x/', 'https://y/z.pth']
source = 's'
licence = 'l'
crop = 160
weights = [{name = 'a.x', file = 'a-0123abcd.pth', megabytes = 1, dropout = 0.5, backbone = {depth = 3}},
           {name = 'a.%s', file = 'b.pth', megabytes = 2}]
"""


def test_a_row_goes_before_its_source_and_the_source_before_the_defaults():
    rows = read_manifest(SMALL % 'y').weights
    a, b = rows['a.x'], rows['a.y']
    assert (a.dropout, a.crop, a.resize) == (0.5, 160, 256) and (b.dropout, b.crop) == (0.0, 160)
    assert a.backbone == {'type': 'A', 'depth': 3, 'context': 2} and b.backbone['depth'] == 1
    assert a.urls == ('https://x/a-0123abcd.pth', 'https://y/z.pth')
    assert (a.sha256, b.sha256, a.top1) == ('0123abcd', '', None)


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.parametrize('name', networks(find(name) for name in (*TIMM, *CADENE)))
def test_every_tensor_of_timms_network_has_a_place_in_ours(name):
    timm = pytest.importorskip('timm')
    with torch.device('meta'):
        theirs = timm.create_model(CADENE.get(name) or TIMM[name], num_classes=find(name).num_classes)
        _every_tensor_has_a_place(theirs.state_dict(), find(name))


@pytest.mark.parametrize('name', networks(row for row in ROWS if row.layout == 'torchvision'))
def test_every_tensor_of_torchvisions_network_has_a_place_in_ours(name):
    from torchvision import models
    with torch.device('meta'):
        _every_tensor_has_a_place(models.get_model(find(name).arch).state_dict(), find(name))


@of_mmpretrain
def test_every_tensor_of_mmpretrains_network_has_a_place_in_ours(name, monkeypatch):
    from mmengine.config import Config
    from mmpretrain.registry import MODELS as THEIRS
    configs = Path(find_spec('mmpretrain').submodule_search_locations[0], '.mim', 'configs', '_base_', 'models')
    arch = find(name).arch
    variant = re.fullmatch(r'resnet(\d+)([cd])', arch)
    file = {'shufflenet_v1': 'shufflenet_v1_1x', 'se_resnet50': 'seresnet50', 'se_resnet101': 'seresnet101'}.get(arch)
    file = f'resnetv1{variant[2]}50' if variant else file or arch.replace('_', '')
    config = Config.fromfile(configs / f'{file}.py').model
    if variant:
        config.backbone.depth = int(variant[1])
    # mmpretrain's ResNets read numbers of such tensors as they are built.
    monkeypatch.setattr(torch, 'linspace', partial(torch.linspace, device='cpu'))
    with torch.device('meta'):
        _every_tensor_has_a_place(THEIRS.build({**config, '_scope_': 'mmpretrain'}).state_dict(), find(name))


def _every_tensor_has_a_place(theirs, row):
    flat = row.arch.startswith('vgg')
    with torch.device('meta'):
        backbone = MODELS.build(dict(row.backbone, num_classes=1000) if flat else dict(row.backbone))
        linear = torch.nn.Linear(backbone.feature_info[-1].channels, row.num_classes)
        head = {} if flat else linear.state_dict(prefix='head.fc.')
    ours = {**backbone.state_dict(), **head}
    renamed = LAYOUTS[row.layout].to_ours(theirs)
    assert renamed.unmatched == ()
    assert {key: value.shape for key, value in renamed.state.items()} == {
        key: value.shape for key, value in ours.items()}
    back = LAYOUTS[row.layout].from_ours(renamed.state)
    assert list(back.state) == list(theirs) and all(back.state[key] is theirs[key] for key in theirs)
