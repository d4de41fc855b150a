"""A published checkpoint holds the weights and plain facts, and its name says its hash."""

import hashlib
from pathlib import Path

import pytest
import torch
from mmengine.registry import MODELS
from safetensors import safe_open
from safetensors.torch import save_file

import se_backbones
from se_backbones.lab.publish.checkpoints import publish
from se_backbones.pretrained.reading import read_checkpoint

TOOL = str(Path(se_backbones.config_path()).parent / 'tools' / 'model_converters' / 'publish_model.py')


@pytest.fixture
def trained(tmp_path):
    """A checkpoint as a Runner saves it: weights, optimizer state, facts."""
    net = MODELS.build(dict(type='se_backbones.ResNet', depth=(1, 1, 1, 1), base_channels=4))
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.randn(2, 3, 32, 32))[0].sum().backward()
    optimizer.step()
    path = tmp_path / 'epoch_12.pth'
    torch.save(dict(state_dict=net.state_dict(), optimizer=optimizer.state_dict(),
                    meta=dict(epoch=12, iter=99, cfg='model = 1', dataset_meta=dict(classes=('one', 'two')))), path)
    return net, path


@pytest.mark.parametrize('file_format', ['safetensors', 'pth'])
def test_weights_survive_and_the_optimizer_does_not(trained, tmp_path, file_format):
    net, path = trained
    made = publish(path, tmp_path / 'out' / 'net', file_format)
    read = read_checkpoint(made.path)
    assert read.state.keys() == net.state_dict().keys()
    assert all(torch.equal(value, read.state[key]) for key, value in net.state_dict().items())
    assert made.bytes_after < 0.6 * made.bytes_before
    assert hashlib.sha256(made.path.read_bytes()).hexdigest() == made.sha256
    assert made.path.name == f'net-{made.sha256[:8]}.{file_format}'


def test_facts_are_kept_as_plain_text(trained, tmp_path):
    made = publish(trained[1], tmp_path / 'net')
    with safe_open(made.path, 'pt') as file:
        facts = file.metadata()
    assert 'conv_cfg' in facts.pop('se_backbones')  # the settings that no tensor shows: test_settings.py
    assert facts == dict(epoch='12', iter='99', cfg='model = 1', dataset_meta='{"classes": ["one", "two"]}',
                         se_backbones_version=se_backbones.__version__)


@pytest.mark.parametrize('file_format', ['pth', 'safetensors'])
def test_the_hosts_and_we_find_the_names_of_the_classes(trained, tmp_path, file_format):
    made = publish(trained[1], tmp_path / 'net', file_format)
    assert read_checkpoint(made.path).meta['dataset_meta'] == dict(classes=['one', 'two'])


@pytest.mark.parametrize('meta', [dict(dataset_meta='coco'), dict(dataset_meta=[1]), {1: 2}, dict(dataset_meta={1: 2}),
                                  dict(dataset_meta=dict(classes=[b'one']))], ids=str)
def test_whatever_others_save_beside_the_tensors_is_no_obstacle(tmp_path, meta):
    torch.save(dict(state_dict=dict(a=torch.zeros(1)), meta=meta), tmp_path / 'a.pth')
    assert publish(tmp_path / 'a.pth', tmp_path / 'b').tensors == 1


def test_others_may_write_any_text_into_their_files(tmp_path):
    save_file(dict(a=torch.zeros(1)), tmp_path / 'a.safetensors', metadata=dict(dataset_meta='my data, v2'))
    assert read_checkpoint(tmp_path / 'a.safetensors').meta['dataset_meta'] == 'my data, v2'


def test_a_folder_is_no_name(trained, tmp_path):
    for name in (tmp_path, f'{tmp_path}/new/'):
        with pytest.raises(ValueError, match='is a folder; say how the file in it is to be called'):
            publish(trained[1], name)


def test_a_published_file_needs_no_pickled_classes(trained, tmp_path):
    made = publish(trained[1], tmp_path / 'net', 'pth')
    assert torch.load(made.path, weights_only=True)['meta']['epoch'] == 12


def test_it_loads_into_a_backbone(trained, tmp_path):
    net, path = trained
    made = publish(path, tmp_path / 'net')
    other = MODELS.build(dict(type='se_backbones.ResNet', depth=(1, 1, 1, 1), base_channels=4,
                              init_cfg=dict(type='Pretrained', checkpoint=str(made.path))))
    other.init_weights()
    assert torch.equal(other.layer4[0].conv1.weight, net.layer4[0].conv1.weight)


def test_nothing_is_overwritten_and_nothing_is_left_behind(trained, tmp_path):
    made = publish(trained[1], tmp_path / 'out' / 'net')
    with pytest.raises(FileExistsError, match='exists and is not overwritten'):
        publish(trained[1], tmp_path / 'out' / 'net')
    assert list((tmp_path / 'out').iterdir()) == [made.path]


def test_the_tool_prints_file_size_and_hash(tool, trained, tmp_path, capsys):
    tool('publish_model', trained[1], tmp_path / 'net')
    out = capsys.readouterr().out
    assert 'tensors' in out and 'sha256 ' in out
    with pytest.raises(SystemExit, match='error: .*nothing.pth does not exist'):
        tool('publish_model', tmp_path / 'nothing.pth', tmp_path / 'net')
