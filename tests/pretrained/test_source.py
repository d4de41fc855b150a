"""The whole way by name: another library's model, saved as it saves, served, fetched, renamed, computes the same."""

import hashlib
import io
from contextlib import nullcontext
from dataclasses import replace

import pytest
import safetensors.torch
import timm
import torch
import torchvision
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import load_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader

from helpers import as_if_trained
from se_backbones.pretrained import manifest as manifest_module
from se_backbones.pretrained import names, source
from se_backbones.pretrained.errors import CheckpointError, DownloadError, WeightsError
from se_backbones.pretrained.guard import no_code_from_checkpoints

ROUTES = {
    'se_resnet50.cadene': lambda: timm.create_model('legacy_seresnet50'),
    'se_resnext50_32x4d.timm_racm': lambda: timm.create_model('seresnext50_32x4d'),
    'se_resnet50.mmpretrain': lambda: mmpretrain_se_resnet(50),
    'resnet18.torchvision_v1': torchvision.models.resnet18,
    'resnet50s.gluon': lambda: timm.create_model('resnet50s'),
}
SLOW = {
    'se_resnet101.cadene': lambda: timm.create_model('legacy_seresnet101'),
    'se_resnet152.cadene': lambda: timm.create_model('legacy_seresnet152'),
    'se_resnext50_32x4d.timm_legacy': lambda: timm.create_model('legacy_seresnext50_32x4d'),
    'se_resnext101_32x4d.timm_legacy': lambda: timm.create_model('legacy_seresnext101_32x4d'),
    'senet154.timm_legacy': lambda: timm.create_model('legacy_senet154'),
    'se_resnet50.timm_a1': lambda: timm.create_model('seresnet50'),
    'se_resnextaa101d_32x8d.timm_ah': lambda: timm.create_model('seresnextaa101d_32x8d'),
    'se_resnextaa201d_32x8d.timm_sw_in12k_ft_in1k_384': lambda: timm.create_model('seresnextaa201d_32x8d'),
    'resnet200d.timm_ra2': lambda: timm.create_model('resnet200d'),
    'resnet50d.timm_ra4_e3600_r224': lambda: timm.create_model('resnet50d'),
    'resnet101c.gluon': lambda: timm.create_model('resnet101c'),
    'wide_resnet50_2.timm_racm': lambda: timm.create_model('wide_resnet50_2'),
    'resnext101_32x8d.fb_swsl': lambda: timm.create_model('resnext101_32x8d'),
    'resnext101_64x4d.timm_c1': lambda: timm.create_model('resnext101_64x4d'),
    'resnet50c.mmpretrain': lambda: mmpretrain_network(dict(type='ResNetV1c', depth=50)),
    'resnet101d.mmpretrain': lambda: mmpretrain_network(dict(type='ResNetV1d', depth=101)),
    'resnet50.mmpretrain_mocov3': lambda: mmpretrain_network(dict(type='ResNet', depth=50)),
    'se_resnet101.mmpretrain': lambda: mmpretrain_se_resnet(101),
    'resnet50.torchvision_v1': torchvision.models.resnet50,
    'resnext50_32x4d.torchvision_v1': torchvision.models.resnext50_32x4d,
}


def mmpretrain_se_resnet(depth):
    return mmpretrain_network(dict(type='SEResNet', depth=depth))


def mmpretrain_network(backbone):
    init_default_scope('mmpretrain')
    return MODELS.build(dict(type='ImageClassifier', backbone=backbone,
                             neck=dict(type='GlobalAveragePooling'),
                             head=dict(type='LinearClsHead', num_classes=1000, in_channels=2048)))


def randomised(net):
    """A network with statistics: one whose norms are the identity would hide a wrong one."""
    # Weights below 1: else 50 units grow to 40,000, where gates are steps and float32 is far from float64.
    return as_if_trained(net, 0.05, var=(0.8, 1.2), weight=(0.3, 0.7)).eval()


@pytest.fixture
def published(monkeypatch, weights_server, tmp_path):
    """Return a function that puts bytes on a server under a manifest name, with an empty cache."""
    monkeypatch.setenv('SE_BACKBONES_HOME', str(tmp_path / 'cache'))

    def publish(name, content, **changes):
        entry = manifest_module.manifest()[name]
        url = weights_server.serve(entry.file, content)
        entry = replace(entry, urls=(url,), sha256=hashlib.sha256(content).hexdigest()[:8], **changes)
        monkeypatch.setitem(manifest_module.manifest(), name, entry)
        return entry
    return publish


def saved(net, wrap=lambda state: state, name='net.pth'):
    if name.endswith('.safetensors'):
        return safetensors.torch.save(net.state_dict())
    file = io.BytesIO()
    torch.save(wrap(net.state_dict()), file)
    return file.getvalue()


def classifier(entry):
    init_default_scope('mmpretrain')
    return MODELS.build(dict(
        type='ImageClassifier', backbone=dict(entry.backbone), neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=1000,
                  in_channels=512 if entry.arch == 'resnet18' else 2048))).eval()


@torch.no_grad()
def check_route(name, make, published):
    theirs = randomised(make())
    mmpretrain = '.mmpretrain' in name
    wrap = (lambda state: dict(state_dict=state, meta={})) if mmpretrain else (lambda state: state)
    entry = published(name, saved(theirs, wrap, manifest_module.find(name).file))
    images = torch.randn(1, 3, 97, 129)
    ours = classifier(entry)
    # As tools/test.py and mmpretrain's get_model do: mmengine's own loading, through our scheme.
    load_checkpoint(ours, f'se-backbones://{name}/classifier', strict=True)
    expected = theirs(images)
    if mmpretrain:
        expected = theirs.head.fc(theirs.extract_feat(images)[-1])
    got = ours.head.fc(ours.extract_feat(images)[-1])
    assert (got - expected).abs().max() <= 2e-5 * expected.abs().max()

    # And as a detector's backbone does: init_cfg by name, with all features.
    backbone = MODELS.build(dict(entry.backbone, out_indices=(0, 1, 2, 3), init_cfg=dict(
        type='Pretrained', checkpoint=f'se-backbones://{name}')))
    backbone.init_weights()
    torch.testing.assert_close(backbone.eval()(images)[-1], ours.backbone(images)[-1])


@pytest.mark.parametrize('name', ROUTES)
def test_a_published_model_computes_what_its_library_does(name, published):
    check_route(name, ROUTES[name], published)


@pytest.mark.slow
@pytest.mark.parametrize('name', SLOW)
def test_every_published_model_computes_what_its_library_does(name, published):
    check_route(name, SLOW[name], published)


@torch.no_grad()
def test_mmpretrains_hub_gives_the_network_with_its_weights(published):
    from mmpretrain import get_model
    net = randomised(classifier(manifest_module.manifest()['se_resnet50.cadene']))
    state = {key.removeprefix('backbone.'): value for key, value in net.state_dict().items()}
    file = io.BytesIO()
    torch.save(state, file)
    published('se_resnet50.cadene', file.getvalue(), layout='se-backbones')
    found = get_model('se-resnet50_in1k', pretrained=True)
    assert all(torch.equal(value, found.state_dict()[key]) for key, value in net.state_dict().items())


@pytest.fixture
def narrow(monkeypatch, published, tmp_path):
    """A manifest row whose network is narrow: `se_resnet50.cadene` with eight channels."""
    config = dict(type='se_backbones.ResNet', depth=(1, 1, 1, 1), base_channels=8, style='caffe', stem_pool='caffe',
                  context=dict(op=dict(type='SqueezeExcite', ratio=4)))
    net = randomised(MODELS.build(ConfigDict(config)))
    state = {**net.state_dict(), 'head.fc.weight': torch.zeros(10, 256), 'head.fc.bias': torch.zeros(10)}
    file = io.BytesIO()
    torch.save(state, file)
    published('se_resnet50.cadene', file.getvalue(), backbone=config, layout='se-backbones')
    return config, net


def load(config, **changes):
    init = dict(type='Pretrained', checkpoint='se-backbones://se_resnet50.cadene', **changes.pop('init', {}))
    net = MODELS.build({**config, **changes, 'init_cfg': init})
    net.init_weights()
    return net


def test_the_wrong_stride_or_pooling_is_an_error_or_a_warning(narrow):
    config, net = narrow
    assert torch.equal(load(config).layer4[0].conv3.weight, net.layer4[0].conv3.weight)
    with pytest.raises(ValueError, match=r"style='pytorch', but se-backbones://se_resnet50.cadene was trained with "
                                         r"style='caffe'"):
        load(config, style='pytorch')
    with pytest.raises(ValueError, match=r"stem_pool='torch', but"):
        load(config, stem_pool='torch')
    load(config, stem_pool='torch', init=dict(strict=False))


def test_networks_that_differ_in_their_pools_alone_are_told_apart(published):
    """timm's seresnext101d and seresnextaa101d have the same keys and shapes."""
    plain = dict(type='se_backbones.ResNeXt', depth=(1, 2), base_channels=8, groups=2, base_width=4, deep_stem=True,
                 avg_down=True, context=dict(op=dict(type='SqueezeExcite', ratio=4)))
    pooled = dict(plain, style='aa', stem_pool='avg')
    for name, own, other in (('se_resnext101d_32x8d.timm_ah', plain, pooled),
                             ('se_resnextaa101d_32x8d.timm_ah', pooled, plain)):
        net = MODELS.build(own)
        published(name, saved(net), backbone=own, layout='se-backbones')
        init = dict(type='Pretrained', checkpoint=f'se-backbones://{name}')
        MODELS.build(dict(own, init_cfg=init)).init_weights()
        with pytest.raises(ValueError, match=rf"style='{other.get('style', 'pytorch')}', but .*{name} was trained"):
            MODELS.build(dict(other, init_cfg=init)).init_weights()


def test_a_whole_classifier_is_compared_at_every_door(narrow, tmp_path):
    """load_from, mmpretrain's get_model and inferencers load through mmengine, by our scheme."""
    from mmpretrain import get_model
    config, net = narrow
    init_default_scope('mmpretrain')

    def whole(**changes):
        return dict(type='ImageClassifier', backbone={**config, **changes}, neck=dict(type='GlobalAveragePooling'),
                    head=dict(type='LinearClsHead', num_classes=10, in_channels=256))
    name = 'se-backbones://se_resnet50.cadene/classifier'
    doors = [lambda model: load_checkpoint(MODELS.build(model), name),
             lambda model: get_model(Config(dict(model=model)), pretrained=name),
             lambda model: MODELS.build(dict(model, init_cfg=dict(type='Pretrained', checkpoint=name))).init_weights()]
    for door in doors:
        door(whole())
        for key, value in (('style', 'pytorch'), ('stem_pool', 'torch')):
            with pytest.raises(ValueError, match=f"{key}='{value}', but .* was trained with {key}='caffe'"):
                door(whole(**{key: value}))
        with pytest.raises(ValueError, match="gate='tanh', but .* was trained with squeeze='avg', gate='sigmoid'"):
            door(whole(context=dict(op=dict(type='SqueezeExcite', ratio=4, gate='tanh'))))


def test_a_second_load_comes_from_the_cache(narrow, weights_server):
    config, _ = narrow
    load(config)
    load(config)
    assert len(weights_server.requests) == 1


def test_a_wrong_hash_is_refused(narrow, monkeypatch):
    entry = manifest_module.manifest()['se_resnet50.cadene']
    monkeypatch.setitem(manifest_module.manifest(), entry.name, replace(entry, sha256='00000000'))
    with pytest.raises(DownloadError, match='not 00000000'):
        load(narrow[0])


def test_an_unknown_name_suggests_a_near_one():
    with pytest.raises(WeightsError, match=r"'se_resnet50.cadeene'. Did you mean 'se_resnet50.cadene'"):
        source.load('se-backbones://se_resnet50.cadeene')
    with pytest.raises(WeightsError, match=r"torchvision:// has no weights named 'resnet5'. Did you mean 'resnet"):
        source.load('torchvision://resnet5')


def test_the_placeholder_of_a_config_names_no_weights():
    """mmpretrain's linear probes have it."""
    with pytest.raises(WeightsError, match=r"^checkpoint='' names no weights: give a file, a URL"):
        source.load('')


@pytest.mark.parametrize(('checkpoint', 'meant'), [
    ('se-backbone://se_resnet50.cadene', 'se-backbones'), ('ftp://example.org/a.pth', ''),
    ('torchvison://resnet50', 'torchvision')])
@pytest.mark.parametrize('guarded', [False, True])
def test_an_unknown_scheme_is_one_line(checkpoint, meant, guarded):
    """mmengine takes it for a path; behind our guard that went round in circles."""
    with no_code_from_checkpoints() if guarded else nullcontext():
        for load_it in (source.load, source.load_all, CheckpointLoader.load_checkpoint if guarded else source.load):
            with pytest.raises(WeightsError, match=f'there is no scheme .*{meant}') as error:
                load_it(checkpoint)
            assert '\n' not in str(error.value)


def test_the_whole_digest_of_a_published_file_holds_for_its_url_too(monkeypatch, weights_server, tmp_path):
    monkeypatch.setenv('SE_BACKBONES_HOME', str(tmp_path))
    url = weights_server.serve('resnet18-f37072fd.pth', b'other')
    with pytest.raises(DownloadError, match='not f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec'):
        source.load(url)


def test_mmengines_tables_are_fetched_and_read_without_running_code(monkeypatch, weights_server, tmp_path):
    """torchvision://, open-mmlab:// and mmcls:// would be unpickled by mmengine; here they are not."""
    class Payload:
        def __reduce__(self):
            return open, (str(tmp_path / 'ran'), 'w')
    monkeypatch.setenv('SE_BACKBONES_HOME', str(tmp_path / 'cache'))
    file = io.BytesIO()
    torch.save({'weights': Payload()}, file)
    monkeypatch.setitem(names.TABLES, 'torchvision', lambda: {'resnet50': weights_server.serve('a.pth',
                                                                                              file.getvalue())})
    with pytest.raises(CheckpointError, match='wants to import .*open'):
        source.load('torchvision://resnet50')
    assert not (tmp_path / 'ran').exists()

    net = MODELS.build(dict(type='se_backbones.ResNet', depth=(1, 1), base_channels=4))
    content = saved(net, lambda state: dict(state_dict={f'backbone.{k}': v for k, v in state.items()}))
    monkeypatch.setitem(names.TABLES, 'mmcls', lambda: {'net': weights_server.serve('b.pth', content)})
    assert source.load('mmcls://net').state.keys() == net.state_dict().keys()


def test_dead_hosts_are_asked_last():
    first, second = source._mirrored('https://download.openmmlab.com/a/b-12345678.pth')
    assert first == 'https://mmassets.onedl.ai/a/b-12345678.pth' and 'openmmlab' in second
    assert source._mirrored('https://example.org/a.pth') == ('https://example.org/a.pth',)


def test_paths_file_urls_and_urls_are_one_thing(tmp_path, weights_server, monkeypatch):
    monkeypatch.setenv('SE_BACKBONES_HOME', str(tmp_path / 'cache'))
    torch.save({'a': torch.ones(2)}, tmp_path / 'with space.pth')
    url = weights_server.serve('net.pth', (tmp_path / 'with space.pth').read_bytes())
    for name in (str(tmp_path / 'with space.pth'), (tmp_path / 'with space.pth').as_uri(), url):
        assert torch.equal(source.load(name).state['a'], torch.ones(2))


def test_another_librarys_scheme_still_works(monkeypatch):
    monkeypatch.setitem(CheckpointLoader._schemes, 'mine://', lambda filename, map_location: {
        'state_dict': {'a': torch.zeros(1)}})
    monkeypatch.setattr(CheckpointLoader, '_schemes', dict(sorted(CheckpointLoader._schemes.items(), reverse=True)))
    assert source.load('mine://x').state.keys() == {'a'}


def test_the_classifiers_keys_are_mmpretrains():
    state = source.as_classifier({'conv1.weight': torch.zeros(1), 'head.fc.bias': torch.zeros(1)})
    assert set(state) == {'backbone.conv1.weight', 'head.fc.bias'}
