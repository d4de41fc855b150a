"""The Hugging Face Hub, by its own client, against a stand-in of its API on 127.0.0.1."""

import io
import os
import subprocess
import sys

import pytest
import safetensors.torch
import torch
from mmengine.registry import MODELS

from se_backbones.models.loading import MisfitError
from se_backbones.pretrained import hub, source
from se_backbones.pretrained.errors import DownloadError, WeightsError
from se_backbones.pretrained.manifest import find
from se_backbones.pretrained.names import recognised
from servers import Hub

constants = pytest.importorskip('huggingface_hub.constants')


@pytest.fixture
def stand_in(_no_proxy, monkeypatch, tmp_path):
    """The hub, and this process's client set to it; an environment variable is read as the client is imported."""
    server = Hub()
    monkeypatch.setattr(constants, 'ENDPOINT', server.address)
    monkeypatch.setattr(constants, 'HUGGINGFACE_CO_URL_TEMPLATE', server.url('{repo_id}/resolve/{revision}/{filename}'))
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path / 'hub'))
    monkeypatch.setenv('SE_BACKBONES_HOME', str(tmp_path / 'ours'))
    yield server
    server.close()


def timms_network():
    from timm.models.resnet import Bottleneck, ResNet
    return ResNet(Bottleneck, (1, 1, 1, 1), channels=(8, 16, 32, 64), num_classes=3, block_args=dict(attn_layer='se'))


def test_timms_networks_come_by_our_keys(stand_in):
    state = timms_network().state_dict()
    stand_in.files['timm/seresnet50.ra2_in1k/resolve/main/model.safetensors'] = safetensors.torch.save(state)
    loaded = source.load('hf-hub:timm/seresnet50.ra2_in1k')
    assert loaded.weights is find('se_resnet50.timm_ra2')
    assert torch.equal(loaded.state['layer1.0.context.standard.excite.down.weight'], state['layer1.0.se.fc1.weight'])
    # A network that the table does not have, and its whole way into a backbone; the second time from the cache.
    stand_in.files['me/mine/resolve/v2/pytorch_model.bin'] = _pth(MODELS.build(NARROW).state_dict())
    for _ in range(2):
        MODELS.build(dict(NARROW, init_cfg=dict(type='Pretrained', checkpoint='hf-hub:me/mine@v2'))).init_weights()
    assert [request.method for request in stand_in.requests if 'pytorch_model.bin' in request.path].count('GET') == 1


@pytest.mark.parametrize('key', ['layer1.0.se.conv.weight', 'maxpool.0.weight'], ids=['ECA', 'a learned pool'])
def test_a_network_of_timm_with_layers_of_another_kind_is_refused(stand_in, key):
    from timm.models.resnet import Bottleneck, ResNet
    state = ResNet(Bottleneck, (1, 1, 1, 1), channels=(8, 16, 32, 64), num_classes=3, stem_width=32,
                   stem_type='deep').state_dict()
    file = 'timm/other.x_in1k/resolve/main/model.safetensors'
    config = dict(type='se_backbones.ResNet', depth=(1, 1, 1, 1), base_channels=8, stem_channels=64, deep_stem=True,
                  init_cfg=dict(type='Pretrained', checkpoint='hf-hub:timm/other.x_in1k'))
    stand_in.files[file] = safetensors.torch.save(state)
    MODELS.build(config).init_weights()
    stand_in.files[file.replace('other', 'another')] = safetensors.torch.save({**state, key: torch.ones(1)})
    config['init_cfg']['checkpoint'] = 'hf-hub:timm/another.x_in1k'
    with pytest.raises(MisfitError, match=f'1 belong to layers that it does not have .{key}'):
        MODELS.build(config).init_weights()


NARROW = dict(type='se_backbones.ResNet', depth=(1, 1), base_channels=4,
              context=dict(op=dict(type='SqueezeExcite', ratio=4)))


def _pth(state):
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def test_a_row_with_an_address_on_the_hub_comes_from_there_at_its_commit(stand_in, tmp_path):
    row = find('resnet50d.timm_ra4_e3600_r224')
    path = row.urls[0].removeprefix('https://huggingface.co/')
    assert len(path.split('/')[3]) == 40
    stand_in.files[path] = safetensors.torch.save({'conv1.0.weight': torch.ones(1), 'bn1.bias': torch.ones(1)})
    assert set(source.published(row)) == {'stem.0.weight', 'stem.7.bias'}
    # What somebody put into our own cache goes before.
    (tmp_path / 'ours').mkdir()
    (tmp_path / 'ours' / row.file).write_bytes(stand_in.files[path])
    assert hub.fetch_weights(row) == tmp_path / 'ours' / row.file


def test_without_the_client_a_row_comes_by_its_url(monkeypatch, stand_in):
    monkeypatch.setattr(hub, 'find_spec', lambda name: None)
    seen = []
    monkeypatch.setattr(hub, 'fetch', lambda *args: seen.append(args[1]))
    hub.fetch_weights(find('resnet50d.timm_ra4_e3600_r224'))
    assert seen[0][0].startswith('https://huggingface.co/timm/resnet50d.ra4')
    monkeypatch.setattr('se_backbones.utils.extras.importlib.util.find_spec', lambda name: None)
    with pytest.raises(DownloadError, match=r"need huggingface_hub: pip install 'se_backbones\[hub\]'"):
        source.load('hf-hub:me/mine')


@pytest.mark.parametrize(('checkpoint', 'words'), [
    ('hf-hub:resnet50', r"'hf-hub:resnet50' names no repository; write hf-hub:OWNER/NAME"),
    ('hf-hub:me/../x', 'names no repository'), ('hf-hub:me/absent', 'hf-hub:me/absent could not be downloaded'),
    ('hf-hub:me/other', 'hf-hub:me/other has no model.safetensors and no pytorch_model.bin')])
def test_what_cannot_be_had_is_one_line(stand_in, checkpoint, words):
    stand_in.files['me/other/resolve/main/tf_model.h5'] = b''
    with pytest.raises(WeightsError, match=words) as error:
        source.load(checkpoint)
    assert '\n' not in str(error.value)


def test_our_offline_switch_holds_here_too(stand_in, monkeypatch):
    stand_in.files['me/mine/resolve/main/pytorch_model.bin'] = _pth({'a': torch.ones(2)})
    monkeypatch.setenv('SE_BACKBONES_OFFLINE', '1')
    with pytest.raises(DownloadError, match='hf-hub:me/mine could not be downloaded'):
        source.load('hf-hub:me/mine')
    assert stand_in.requests == []
    monkeypatch.delenv('SE_BACKBONES_OFFLINE')
    source.load('hf-hub:me/mine')
    monkeypatch.setenv('SE_BACKBONES_OFFLINE', '1')
    assert torch.equal(source.load('hf-hub:me/mine').state['a'], torch.ones(2))


def test_the_clients_own_settings_hold(stand_in, tmp_path):
    """HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE, in a process of its own, through mmengine's loader."""
    stand_in.files['me/mine/resolve/main/model.safetensors'] = safetensors.torch.save({'a': torch.ones(2)})
    code = ('import se_backbones; from mmengine.runner.checkpoint import CheckpointLoader as C; '
            'print(C.load_checkpoint("hf-hub:me/mine")["state_dict"]["a"].sum())')
    env = {**os.environ, 'HF_ENDPOINT': stand_in.address, 'HF_HOME': str(tmp_path), 'HF_TOKEN': 'hf_secret',
           'HF_HUB_DISABLE_XET': '1'}
    env.pop('SE_BACKBONES_OFFLINE', None)
    for more in ({}, dict(HF_HUB_OFFLINE='1')):
        done = subprocess.run([sys.executable, '-c', code], env=env | more, capture_output=True, text=True, timeout=120)
        assert 'tensor(2.)' in done.stdout, done.stderr
    tokens = {request.authorization for request in stand_in.requests if '/resolve/' in request.path}
    assert tokens == {'Bearer hf_secret'}


def test_timms_name_finds_timms_weights():
    for name in ('seresnet50.ra2_in1k', 'se_resnet50.timm_ra2'):
        assert find(name).timm == 'seresnet50.ra2_in1k'
    assert recognised('hf-hub:timm/seresnet50.ra2_in1k@abc') is recognised('se-backbones://seresnet50.ra2_in1k')
    assert recognised('hf-hub:timm/vit_tiny') is None and recognised('hf-hub:me/seresnet50.ra2_in1k') is None
    with pytest.raises(WeightsError, match="Did you mean 'seresnet50.ra2_in1k'"):
        find('seresnet50.ra_in1k')
