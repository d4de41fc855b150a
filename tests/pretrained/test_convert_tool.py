"""convert_checkpoint.py on a small network, mmpretrain's ShuffleNet: what it says, writes and refuses."""

import errno
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from mmpretrain.models import ShuffleNetV1
from safetensors.torch import load_file
from torch import nn

from helpers import load_tool
from se_backbones.lab.convert.comparison import TOLERANCE, Comparison, compare
from se_backbones.lab.convert.conversion import backbone_config, convert
from se_backbones.pretrained import writing
from se_backbones.pretrained.errors import CheckpointError, LayoutError, WeightsError
from se_backbones.pretrained.manifest import find
from se_backbones.pretrained.reading import read_checkpoint
from se_backbones.pretrained.verification import verify
from se_backbones.pretrained.writing import write_checkpoint
from se_backbones.registry import MODELS
from se_backbones.utils.metadata import settings_in

# A published file name says which architecture it is.
PUBLISHED = 'shufflenet_v1_batch1024_imagenet_20200804-5d6cec73.pth'


@pytest.fixture(scope='module')
def tool():
    return load_tool('convert_checkpoint')


@pytest.fixture(scope='module')
def state():
    torch.manual_seed(0)
    network = nn.Module()
    network.backbone, network.head = ShuffleNetV1(groups=3), nn.Module()
    network.head.fc = nn.Linear(960, 1000)
    return network.state_dict()


@pytest.fixture
def folder(tmp_path, monkeypatch, state):
    monkeypatch.chdir(tmp_path)
    torch.save({'state_dict': state, 'meta': {'epoch': 1}}, tmp_path / PUBLISHED)
    return tmp_path


def saved(folder, state, name='net.pth'):
    torch.save(state, folder / name)
    return name


def test_a_published_file_is_converted_and_its_outputs_are_compared(tool, folder, capsys, state):
    tool.main([PUBLISHED, '--to', 'se-backbones', '-o', 'ours.pth'])
    text = capsys.readouterr().out
    assert 'mmpretrain -> se-backbones' in text and 'shufflenet_v1' in text
    assert 'outputs, mmpretrain' in text and 'the same: largest difference' in text
    assert f'{len(state)} tensors, {len(state) - 2} of them renamed' in text
    ours = torch.load('ours.pth', weights_only=True)
    assert list(ours) == [key.removeprefix('backbone.') for key in state]
    assert all(torch.equal(ours[key.removeprefix('backbone.')], state[key]) for key in state)


def test_the_result_is_named_after_its_layout(tool, folder, state, capsys):
    tool.main([saved(folder, state), '--from', 'mmpretrain', '--unchecked'])
    assert capsys.readouterr().out.endswith('net.se-backbones.pth\n') and Path('net.se-backbones.pth').is_file()


def test_safetensors_hold_the_same_and_can_be_converted_back(tool, folder, state, capsys):
    tool.main([PUBLISHED, '-o', 'ours.safetensors'])
    tool.main(['ours.safetensors', '--to', 'mmpretrain', '--arch', 'shufflenet_v1', '-o', 'back.safetensors'])
    back = load_file('back.safetensors')
    assert back.keys() == state.keys() and all(torch.equal(back[key], state[key]) for key in state)
    assert Path('back.safetensors').stat().st_mode & 0o400 == 0o400
    assert Path('back.safetensors').stat().st_mode == Path(PUBLISHED).stat().st_mode


def test_an_existing_file_is_not_written_over(tool, folder):
    Path('ours.pth').write_text('mine')
    with pytest.raises(SystemExit, match='ours.pth exists and is not overwritten'):
        tool.main([PUBLISHED, '-o', 'ours.pth'])
    assert Path('ours.pth').read_text() == 'mine'


def test_without_an_architecture_nothing_is_checked_and_it_says_so(tool, folder, state, capsys):
    tool.main([saved(folder, state), '-o', 'ours.pth'])
    text = capsys.readouterr().out
    assert 'not known (--arch NAME)' in text and 'not compared' in text and 'missing' not in text


def test_missing_tensors_are_named_and_nothing_is_written(tool, folder, state, capsys):
    less = {key: value for key, value in state.items() if 'layers.2.3.g_conv_1x1_expand' not in key}
    with pytest.raises(SystemExit, match='nothing was written: the tensors are not those of the architecture. --unch'):
        tool.main([saved(folder, less), '--arch', 'shufflenet_v1', '-o', 'ours.pth'])
    assert '5: layers.2.3.g_conv_1x1_expand.conv.weight' in capsys.readouterr().out
    assert sorted(path.name for path in folder.iterdir()) == sorted(['net.pth', PUBLISHED])


def test_counters_of_batches_may_be_missing(tool, folder, state, capsys):
    old = {key: value for key, value in state.items() if 'num_batches_tracked' not in key}
    tool.main([saved(folder, old), '--arch', 'shufflenet_v1', '-o', 'ours.pth', '--from', 'mmpretrain'])
    text = capsys.readouterr().out
    assert 'the same' in text and len(torch.load('ours.pth', weights_only=True)) == len(old)


def test_unchecked_writes_what_is_incomplete(tool, folder, state):
    less = {key: value for key, value in state.items() if key != 'backbone.conv1.conv.weight'}
    tool.main([saved(folder, less), '--arch', 'shufflenet_v1', '-o', 'ours.pth', '--unchecked'])
    assert len(torch.load('ours.pth', weights_only=True)) == len(state) - 1


def test_unexpected_and_reshaped_tensors_are_found(folder, state):
    odd = {**state, 'backbone.layers.2.9.g_conv_1x1_expand.conv.weight': torch.zeros(1),
           'backbone.conv1.conv.weight': torch.zeros(24, 3, 5, 5)}
    conversion = convert(saved(folder, odd), 'se-backbones', 'mmpretrain', 'shufflenet_v1')
    assert conversion.unexpected == ('layers.2.9.g_conv_1x1_expand.conv.weight',)
    assert conversion.mismatched == ('conv1.conv.weight',) and not conversion.missing and not conversion.complete
    assert [comparison.difference for comparison in compare(conversion)] == [None]


def test_tensors_of_other_parts_are_left_out_and_named(folder, state):
    detector = {**state, 'neck.conv.weight': torch.zeros(1)}
    conversion = convert(saved(folder, detector), 'se-backbones', 'mmpretrain', 'shufflenet_v1')
    assert conversion.unknown == ('neck.conv.weight',) and conversion.complete


def test_a_difference_in_the_outputs_is_found(folder, state):
    conversion = convert(PUBLISHED, 'se-backbones', 'mmpretrain')
    for change in (lambda weight: weight * 1.01, lambda weight: weight * float('nan')):
        key = 'backbone.layers.1.2.g_conv_1x1_expand.conv.weight'
        other = replace(conversion, before={**conversion.before, key: change(conversion.before[key])})
        result, = compare(other)
        assert result.layout == 'mmpretrain' and not result.agrees
    result, = compare(conversion)
    assert result.agrees and result.difference < 2e-5 < TOLERANCE


def test_a_library_that_does_not_have_the_network_is_named(folder):
    conversion = replace(convert(PUBLISHED, 'se-backbones', 'mmpretrain'), source='timm')
    assert compare(conversion) == [Comparison('timm', None, 'timm has no shufflenet_v1')]


def test_operators_that_the_target_has_no_keys_for_are_refused(folder, state):
    gather = {key.removeprefix('backbone.'): value for key, value in state.items()}
    gather['layers.0.1.context.standard.excite.up.bias'] = torch.zeros(240)
    with pytest.raises(LayoutError, match=r'no keys for 1 of the tensors, such as layers.0.1.context.standard.*'):
        convert(saved(folder, gather), 'mmpretrain')


@pytest.mark.parametrize(('arguments', 'reason'), [
    (['--to', 'mmpretrian'], "no key layout 'mmpretrian'.*Did you mean 'mmpretrain'"),
    (['--from', 'cadene'], "not the keys of the layout 'timm-legacy'.*They look like 'se-backbones-classifier'"),
    (['--arch', 'shufflenet'], "no architecture 'shufflenet'. Did you mean 'shufflenet_v1'"),
    (['-o', 'ours.bin'], 'must end in .pth or .safetensors'),
    (['-o', 'nowhere/ours.pth'], 'no folder nowhere'),
    (['--class-order', 'devkit'], '--class-order is for --from caffe-senet'),
], ids=lambda value: value[0] if isinstance(value, list) else '')
def test_a_wrong_argument_is_one_line_with_the_way_out(tool, folder, arguments, reason):
    with pytest.raises(SystemExit, match=reason):
        tool.main([PUBLISHED, *arguments])
    assert [path.name for path in folder.iterdir()] == [PUBLISHED]


def test_an_absent_file_is_one_line(tool, folder):
    with pytest.raises(SystemExit, match=r'^error: absent\.pth does not exist\.$'):
        tool.main(['absent.pth'])


def test_our_file_of_the_authors_network_goes_back_to_cadenes_keys(tool, folder, capsys):
    state = MODELS.build(dict(find('se_resnet50.cadene').backbone)).state_dict()
    tool.main([saved(folder, state), '--to', 'cadene', '--arch', 'se_resnet50', '-o', 'theirs.pth'])
    text = ' '.join(capsys.readouterr().out.replace('│', ' ').split())
    assert "style='caffe', stem_pool='caffe'" in text and 'outputs, timm-legacy the same' in text


def test_what_a_file_says_of_its_network_goes_on_with_it(tool, folder):
    state = MODELS.build(dict(find('se_resnet50.cadene').backbone)).state_dict()
    for number, arguments in enumerate([[], ['--arch', 'se_resnet50']]):
        tool.main([saved(folder, state), '--to', 'se-backbones-classifier', '-o', f'{number}.pth', *arguments])
        said = settings_in(read_checkpoint(f'{number}.pth').state._metadata['backbone'])
        assert said['style'] == said['stem_pool'] == 'caffe'


def test_a_file_that_says_that_it_is_of_another_network_is_refused(tool, folder):
    state = MODELS.build(dict(find('shufflenet_v1.mmpretrain').backbone, norm_cfg=dict(type='BN', eps=0.001)))
    with pytest.raises(SystemExit, match=r"eps='1e-05', but net.pth was trained with norm_cfg.eps='0.001'. --unch"):
        tool.main([saved(folder, state.state_dict()), '--arch', 'shufflenet_v1', '-o', 'ours.pth'])


def test_keys_of_no_library_are_named(tool, folder):
    with pytest.raises(SystemExit, match='encoder.weight, match no known layout'):
        tool.main([saved(folder, {'encoder.weight': torch.zeros(2)})])


def test_the_row_of_the_layout_says_where_stride_and_stem_pool_are():
    assert backbone_config('se_resnet50', 'timm-legacy')['style'] == 'caffe'
    # Our own keys are those of all; then it is that of the library which the result is for.
    assert backbone_config('se_resnet50', 'se-backbones', 'timm-legacy')['style'] == 'caffe'
    assert backbone_config('se_resnet50', 'timm', 'timm-legacy') == backbone_config('se_resnet50', 'timm')
    assert 'style' not in backbone_config('se_resnet50', 'timm')
    assert backbone_config('senet154', 'timm')['stem_pool'] == 'torch'
    with pytest.raises(WeightsError, match="Did you mean 'se_resnet50'"):
        backbone_config('se_resnet_50', 'timm')


@pytest.fixture
def caffe_files(caffe, folder):
    """A narrow SE-ResNet of 1000 classes: ``net.caffemodel`` and ``net.prototxt``."""
    net = caffe.se_resnet((2, 1, 1, 1), (97, 97), classes=1000, width=4)
    (folder / 'net.caffemodel').write_bytes(net.caffemodel())
    (folder / 'net.prototxt').write_text(net.prototxt())
    return net


def test_caffe_networks_are_converted_and_compared_with_what_opencv_computes(tool, caffe_files, capsys):
    tool.main(['net.caffemodel', '--prototxt', 'net.prototxt', '-o', 'ours.pth'])
    text = ' '.join(capsys.readouterr().out.replace('│', ' ').split())
    assert 'caffe-senet -> se-backbones' in text and 'outputs, caffe-senet the same' in text
    assert "our backbone dict(type='se_backbones.ResNet', depth=(2, 1, 1, 1), style='caffe', stem_pool='caffe'" in text


def test_their_weights_are_looked_into_as_they_are(caffe_files):
    found = verify(Path('net.caffemodel'))
    assert found.tensors > 50 and (found.weights, found.problems, found.not_finite) == ((), (), ())


def test_they_are_converted_back_to_the_same_network(tool, caffe_files, capsys):
    tool.main(['net.caffemodel', '-o', 'ours.safetensors'])
    assert 'OpenCV needs the network too (--prototxt)' in ' '.join(capsys.readouterr().out.split())
    tool.main(['ours.safetensors', '--to', 'caffe-senet', '--prototxt', 'net.prototxt'])
    text = ' '.join(capsys.readouterr().out.replace('│', ' ').split())
    assert 'outputs, caffe-senet the same' in text and text.endswith('ours.caffe-senet.caffemodel')
    tool.main(['ours.caffe-senet.caffemodel', '-o', 'again.safetensors'])
    assert Path('again.safetensors').read_bytes() == Path('ours.safetensors').read_bytes()


def test_a_network_of_grey_images_is_compared_on_such(caffe, folder):
    net = caffe.se_resnet((1, 1), (97, 97), width=4, colours=1)
    Path('grey.caffemodel').write_bytes(net.caffemodel())
    Path('grey.prototxt').write_text(net.prototxt())
    result, = compare(convert('grey.caffemodel', 'se-backbones', prototxt='grey.prototxt'))
    assert result.difference < TOLERANCE


def test_their_networks_are_held_against_an_architecture_too(tool, caffe_files):
    with pytest.raises(SystemExit, match='nothing was written: the tensors are not those of the architecture'):
        tool.main(['net.caffemodel', '--to', 'timm-legacy', '--arch', 'se_resnet101', '-o', 'theirs.pth'])
    with pytest.raises(SystemExit, match="no architecture 'se_resnet_101'. Did you mean 'se_resnet101'"):
        tool.main(['net.caffemodel', '--arch', 'se_resnet_101'])


def test_a_network_that_strides_and_pools_otherwise_is_none_of_theirs(tool, folder):
    operator = dict(op=dict(type='SqueezeExcite', ratio=4))
    net = MODELS.build(dict(type='se_backbones.ResNet', depth=(1, 1), base_channels=4, context=operator))
    with pytest.raises(SystemExit, match=r"style='caffe', but net.pth was trained with style='pytorch'; stem_pool="):
        tool.main([saved(folder, net.state_dict()), '--to', 'caffe-senet'])


def test_the_comparison_sees_another_class_order(tool, caffe_files, folder):
    conversion = convert('net.caffemodel', 'se-backbones', prototxt='net.prototxt')
    assert [comparison.agrees for comparison in compare(conversion)] == [True]
    other = replace(conversion, caffe=replace(conversion.caffe, reordered=False))
    assert [comparison.agrees for comparison in compare(other)] == [False]
    kept = convert('net.caffemodel', 'se-backbones', prototxt='net.prototxt', class_order='devkit')
    assert [comparison.agrees for comparison in compare(kept)] == [True]


def test_gathers_of_less_than_the_map_are_not_those_of_the_caffe_networks(folder):
    operator = dict(op=dict(type='GatherExcite', variant='theta', extent=2))
    net = MODELS.build(dict(type='se_backbones.ResNet', depth=(1, 1), base_channels=4, context=operator))
    conversion = convert(saved(folder, net.state_dict()), 'caffe-senet')
    assert conversion.mismatched == ('layer2.0.context.standard.gather.conv1.weight',) and not conversion.complete


def test_folded_preprocessing_is_not_compared_and_it_says_why(tool, caffe_files, capsys):
    tool.main(['net.caffemodel', '--prototxt', 'net.prototxt', '--fold-preprocessing', 'imagenet', '-o', 'rgb.pth'])
    assert 'with --fold-preprocessing the result takes other images' in ' '.join(
        capsys.readouterr().out.replace('│', ' ').split())
    plain, folded = convert('net.caffemodel', 'se-backbones').ours, torch.load('rgb.pth', weights_only=True)
    assert not torch.equal(plain['conv1.weight'], folded['conv1.weight'])


def test_numbers_that_are_none_are_named_and_not_written(tool, folder, state, capsys):
    broken = {**state, 'head.fc.bias': torch.full((1000,), float('nan'))}
    with pytest.raises(SystemExit, match='nothing was written: head.fc.bias holds NaN or infinity. --unchecked'):
        tool.main([saved(folder, broken), '--from', 'mmpretrain', '-o', 'ours.pth'])
    assert '1: head.fc.bias' in capsys.readouterr().out and not Path('ours.pth').exists()


@pytest.mark.parametrize('name', ['a.pth', 'a.safetensors'])
def test_a_full_disk_leaves_no_file(tmp_path, monkeypatch, name):
    def full(*args, **kwargs):
        part = args[1] if name == 'a.pth' else args[0]
        Path(part).open('wb').write(b'half')
        raise OSError(errno.ENOSPC, 'No space left on device')
    monkeypatch.setattr(*((torch, 'save') if name == 'a.pth' else (Path, 'write_bytes')), full)
    with pytest.raises(CheckpointError, match='No space left'):
        write_checkpoint({'a': torch.zeros(2)}, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('suffix', writing.SUFFIXES)
def test_a_view_is_written_without_what_it_is_a_view_of(tmp_path, suffix):
    whole = torch.zeros(1_000_000)
    path = write_checkpoint({'a': whole[:10], 'b': whole[5:15], 'c': torch.arange(6.).view(2, 3).T},
                            tmp_path / f'x{suffix}')
    assert path.stat().st_size < 10_000
    back = load_file(path) if suffix == '.safetensors' else torch.load(path, weights_only=True)
    assert torch.equal(back['c'], torch.arange(6.).view(2, 3).T)


@pytest.mark.slow
def test_a_network_with_another_stride_cannot_be_had_in_the_other_library(tool, tmp_path, monkeypatch, capsys):
    timm = pytest.importorskip('timm')
    monkeypatch.chdir(tmp_path)
    torch.save(timm.create_model('legacy_seresnet50').state_dict(), 'se_resnet50-ce0d4300.pth')
    with pytest.raises(SystemExit, match='nothing was written: the network of timm computes something else from these'):
        tool.main(['se_resnet50-ce0d4300.pth', '--to', 'timm'])
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if 'outputs, timm-legacy' in line and ' the same' in line]
    assert [line for line in lines if 'outputs, timm ' in line and 'NOT the same' in line]
    assert not Path('se_resnet50-ce0d4300.timm.pth').exists()
