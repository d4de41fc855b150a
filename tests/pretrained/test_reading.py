"""A file's tensors come out; whatever else it is or does is an error, and none of its code runs."""

import codecs
import collections
import datetime
import io
import json
import pickle
import re
import resource
import signal
import struct
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.dataset import BaseDataset
from mmengine.hooks import EMAHook
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler
from mmengine.runner import Runner
from safetensors.torch import save_file
from torch import nn

from processes import exit_code
from se_backbones.pretrained.errors import CheckpointError
from se_backbones.pretrained.reading import read_all, read_checkpoint
from se_backbones.utils.metadata import KEY, with_metadata

TENSORS = {'conv.weight': torch.arange(24.0).view(2, 3, 2, 2), 'bn.num_batches_tracked': torch.tensor(7),
           'half': torch.ones(3, dtype=torch.float16), 'empty': torch.zeros(0)}


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'net.pth'


def save(content, path, old=False):
    torch.save(content, path, _use_new_zipfile_serialization=not old)


def assert_same(state, expected=TENSORS):
    assert state.keys() == expected.keys()
    for key, value in expected.items():
        assert type(state[key]) is torch.Tensor
        assert state[key].dtype == value.dtype
        assert torch.equal(state[key], value)


def rezip(path, change, compression=zipfile.ZIP_STORED):
    """Write the archive anew with ``change(name, content)`` of each entry."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: change(name, archive.read(name)) for name in archive.namelist()}
    with zipfile.ZipFile(path, 'w', compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def assert_refused_in_little_memory(path, words):
    """In a process of its own: what this one held before would hide what reading takes."""
    def refuse():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(CheckpointError, match=words):
            read_checkpoint(path)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB
    assert exit_code(refuse) == 0


class TestFormats:
    @pytest.mark.parametrize('old', [False, True], ids=['zip', 'pickle'])
    def test_both_formats_of_torch_are_read_whatever_the_suffix(self, tmp_path, old):
        for suffix in ('.pth', '.pt', '.pth.tar', '.bin', '.safetensors2'):
            path = tmp_path / f'net{suffix}'
            save({'state_dict': TENSORS, 'meta': {'epoch': 3}}, path, old)
            checkpoint = read_checkpoint(path)
            assert_same(checkpoint.state)
            assert checkpoint.meta == {'epoch': 3}

    @pytest.mark.parametrize('suffix', ['.safetensors', '.pth'])
    def test_safetensors_are_read_whatever_the_suffix(self, tmp_path, suffix):
        path = tmp_path / f'net{suffix}'
        save_file(TENSORS, path, metadata={'by': 'us'})
        checkpoint = read_checkpoint(path)
        assert_same(checkpoint.state)
        assert checkpoint.meta == {'by': 'us'}

    def test_state_may_be_changed_and_the_file_stays(self, path):
        save(TENSORS, path)
        before = path.read_bytes()
        read_checkpoint(path).state['half'].zero_()
        assert path.read_bytes() == before

    def test_tensors_go_where_they_are_wanted(self, path):
        save(TENSORS, path)
        assert read_checkpoint(path, map_location='meta').state['half'].is_meta

    @pytest.mark.parametrize('nest', ['state_dict', 'model', 'params'])
    def test_tensors_may_be_nested(self, path, nest):
        save({nest: collections.OrderedDict(TENSORS), 'optimizer': {'lr': 1.0}}, path)
        assert_same(read_checkpoint(path).state)

    def test_tensors_may_be_all_there_is(self, path):
        save(TENSORS, path)
        assert_same(read_checkpoint(str(path)).state)

    def test_prefix_of_data_parallel_is_taken_off(self, path):
        save({'state_dict': {f'module.{key}': value for key, value in TENSORS.items()}}, path)
        assert_same(read_checkpoint(path).state)

    @pytest.mark.parametrize('read', [lambda path: read_checkpoint(path).state,
                                      lambda path: read_all(path)['state_dict']], ids=['tensors', 'all'])
    @pytest.mark.parametrize('wrapper', ['module', '_orig_mod', 'module._orig_mod', '_orig_mod.module'])
    def test_what_wraps_a_network_is_taken_off_its_tensors_and_its_settings(self, path, read, wrapper):
        settings = {KEY: dict(style='caffe')}
        state = with_metadata({f'{wrapper}.{key}': value for key, value in TENSORS.items()},
                              {wrapper: settings, f'{wrapper}.backbone': settings})
        save({'state_dict': state}, path)
        assert_same(read(path))
        assert read(path)._metadata == {'': settings, 'backbone': settings}

    def test_parameters_become_tensors_and_what_is_no_tensor_is_left_out(self, path):
        save({'state_dict': {'w': nn.Parameter(torch.ones(2)), '_extra_state': 'x', 1: torch.ones(1)}}, path)
        assert_same(read_checkpoint(path).state, {'w': torch.ones(2)})

    def test_views_of_one_storage_stay_what_they_are(self, path):
        base = torch.arange(10.0)
        save({'a': base[2:5], 'b': base.view(2, 5).t()}, path)
        assert_same(read_checkpoint(path).state, {'a': base[2:5], 'b': base.view(2, 5).t()})


class Data(BaseDataset):
    METAINFO = dict(classes=('a', 'b'), palette=np.array([[1, 2, 3], [4, 5, 6]]), mean=np.float32(1.5))

    def load_data_list(self):
        return [dict(x=float(number)) for number in range(4)]


class Net(BaseModel):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(1, 1)

    def forward(self, x, sample_idx, mode='tensor'):
        return dict(loss=self.fc(torch.tensor(x).view(-1, 1)).square().mean())


@pytest.fixture(scope='class')
def runner_checkpoint(tmp_path_factory):
    """The checkpoint of a short run, and its model's tensors."""
    folder = tmp_path_factory.mktemp('run')
    model = Net()
    Runner(model, str(folder), experiment_name='reading', log_level='ERROR',
           train_dataloader=dict(dataset=Data(metainfo=ConfigDict(nested=dict(sigma=[0.5]))), batch_size=2,
                                 sampler=dict(type='DefaultSampler', shuffle=True)),
           train_cfg=dict(by_epoch=True, max_epochs=1), default_hooks=dict(checkpoint=dict(type='CheckpointHook')),
           optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.1)), custom_hooks=[EMAHook()],
           param_scheduler=[dict(type='LinearLR', start_factor=0.1, begin=0, end=2, by_epoch=False),
                            dict(type='MultiStepLR', milestones=[1]),
                            dict(type='OneCycleLR', eta_max=0.1, total_steps=2)]).train()
    return folder / 'epoch_1.pth', {key: value.clone() for key, value in model.state_dict().items()}


class TestRunner:
    def test_checkpoint_of_a_runner_is_read(self, runner_checkpoint):
        path, _ = runner_checkpoint
        checkpoint = read_checkpoint(path)
        assert checkpoint.state.keys() == {'fc.weight', 'fc.bias'}
        assert checkpoint.meta['epoch'] == 1
        meta = checkpoint.meta['dataset_meta']
        assert meta['classes'] == ('a', 'b')
        assert type(meta['nested']) is dict
        assert meta['nested'] == dict(sigma=[0.5])
        assert meta['mean'] == np.float32(1.5)
        assert np.array_equal(meta['palette'], Data.METAINFO['palette'])

    def test_it_holds_all_that_needs_more_than_torchs_own_names(self, runner_checkpoint):
        content = torch.load(runner_checkpoint[0], weights_only=False)
        assert content.keys() >= {'message_hub', 'optimizer', 'param_schedulers', 'meta', 'ema_state_dict'}
        assert isinstance(content['message_hub']['log_scalars']['train/loss'], HistoryBuffer)
        assert isinstance(content['meta']['dataset_meta']['nested'], ConfigDict)

    def test_all_of_it_is_read_as_pickle_would(self, runner_checkpoint):
        path, _ = runner_checkpoint
        ours, theirs = read_all(path), torch.load(path, weights_only=False)
        assert ours.keys() == theirs.keys()
        for key in ('message_hub', 'optimizer', 'param_schedulers', 'ema_state_dict', 'state_dict'):
            assert_alike(ours[key], theirs[key])
        assert_alike(ours['meta']['dataset_meta']['palette'], theirs['meta']['dataset_meta']['palette'])

    @pytest.mark.parametrize('core', [b'numpy.core', b'numpy._core'])
    def test_either_numpy_may_have_written_it(self, runner_checkpoint, tmp_path, core):
        path = tmp_path / 'other_numpy.pth'
        path.write_bytes(runner_checkpoint[0].read_bytes())
        other = dict.fromkeys([b'numpy.core', b'numpy._core'], core)

        def change(name, content):
            for old, new in other.items() if name.endswith('data.pkl') else ():
                content = content.replace(b'c' + old + b'.multiarray\n', b'c' + new + b'.multiarray\n')
            return content
        rezip(path, change)
        assert core + b'.multiarray\n' in path.read_bytes()
        assert np.array_equal(read_checkpoint(path).meta['dataset_meta']['palette'], Data.METAINFO['palette'])

    @pytest.mark.parametrize('value', [
        np.arange(6).reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.zeros((0, 3)), np.array(3),
        np.array(['ab', 'c']), np.array([True, False]), np.array([1, 2], '>i4'), np.array([1j]), np.float64(0.1),
        np.bool_(True), np.str_('ab'), np.int16(-2), np.dtype('>f4'), [(np.arange(2),)]],
        ids=lambda value: f'{type(value).__name__}-{getattr(value, "dtype", "")}')
    def test_numbers_and_strings_of_numpy_come_out_as_they_were(self, path, value):
        for old in (False, True):
            save({'state_dict': TENSORS, 'meta': {'value': value}}, path, old)
            read = read_checkpoint(path).meta['value']
            assert type(read) is type(value)
            if isinstance(value, list):
                assert np.array_equal(read[0][0], value[0][0])
            else:
                assert np.array_equal(read, value)
                assert getattr(read, 'dtype', None) == getattr(value, 'dtype', None)

    def test_what_others_have_allowed_neither_helps_nor_is_forgotten(self, path):
        save({'state_dict': TENSORS, 'meta': {'value': datetime.date(2017, 9, 5)}}, path)
        before = torch.serialization.get_safe_globals()
        # The second: what torch before 2.5 lacks to read the bytes of a date.
        torch.serialization.add_safe_globals([datetime.date, codecs.encode])
        try:
            with pytest.raises(CheckpointError, match='wants to import datetime.date'):
                read_checkpoint(path)
            assert torch.load(path, weights_only=True)['meta']['value'] == datetime.date(2017, 9, 5)
        finally:
            torch.serialization.clear_safe_globals()
            torch.serialization.add_safe_globals(before)


def assert_alike(a, b):
    # mmengine's dicts come back as plain ones.
    assert type(a) is (dict if type(b) is ConfigDict else type(b))
    if isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_alike(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            assert_alike(x, y)
    elif isinstance(a, HistoryBuffer):
        assert vars(a).keys() == vars(b).keys() and a.max_length == b.max_length and a.mean() == b.mean()
        for x, y in zip(a.data, b.data):
            assert_alike(x, y)
    else:
        assert np.array_equal(a, b) and getattr(a, 'dtype', None) == getattr(b, 'dtype', None)


class MakesFile:
    """Unpickled by pickle it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


class Flagged:
    """A dtype of objects that claims to be copied like plain bytes, and an array of an address as its object."""

    def __reduce__(self):
        return np.zeros(0).__reduce__()[0], (np.ndarray, (0,), b'b'), (1, (1,), _FlaggedType(), False, b'A' * 8)


class _FlaggedType:
    def __reduce__(self):
        references_only = 1
        return np.dtype, ('V8', False, True), (3, '|', None, ('a',), {'a': (np.dtype('O'), 0)}, 8, 1, references_only)


class TestCode:
    @pytest.mark.parametrize('old', [False, True], ids=['zip', 'pickle'])
    def test_no_code_of_a_file_runs_and_the_error_says_what_it_wanted(self, path, tmp_path, old):
        save({'state_dict': {**TENSORS, 'x': MakesFile(tmp_path / 'made')}}, path, old)
        with pytest.raises(CheckpointError, match=r'wants to import .*open\. A file that does so can run any code'):
            read_checkpoint(path)
        assert not (tmp_path / 'made').exists()
        # The file is a working one: by pickle's own rules it does its harm.
        torch.load(path, weights_only=False)
        assert (tmp_path / 'made').exists()

    def test_no_code_of_a_plain_pickle_runs(self, path, tmp_path):
        path.write_bytes(pickle.dumps(MakesFile(tmp_path / 'made'), protocol=2))
        with pytest.raises(CheckpointError, match='wants to import .*open'):
            read_checkpoint(path)
        assert not (tmp_path / 'made').exists()

    def test_getattr_of_anything_but_a_history_is_refused(self, path):
        class Reaches:
            def __reduce__(self):
                return getattr, (torch.Tensor, 'numpy')
        save({'state_dict': TENSORS, 'meta': Reaches()}, path)
        with pytest.raises(CheckpointError, match=r"wants to look up 'numpy' in <class 'torch.Tensor'>"):
            read_checkpoint(path)

    def test_of_a_one_cycle_schedule_only_the_curve_is_looked_up(self, path):
        class Reaches:
            def __reduce__(self):
                return getattr, (OneCycleParamScheduler, '__init__')
        save({'state_dict': TENSORS, 'meta': Reaches()}, path)
        with pytest.raises(CheckpointError, match="wants to look up '__init__' in .*OneCycleParamScheduler"):
            read_checkpoint(path)

    def test_system_modules_are_refused_by_name(self, path):
        path.write_bytes(b'\x80\x02cposix\nsystem\nq\x00X\x04\x00\x00\x00true\x85R.')
        with pytest.raises(CheckpointError, match='wants to import posix.system'):
            read_checkpoint(path)

    def test_whole_modules_are_refused(self, path):
        save(nn.Linear(1, 1), path)
        with pytest.raises(CheckpointError, match='wants to import torch.nn.modules.linear.Linear'):
            read_checkpoint(path)

    def test_numpy_is_not_led_to_an_address_out_of_the_file(self, path):
        save({'state_dict': TENSORS, 'meta': {'x': Flagged()}}, path)

        def refuse():
            with pytest.raises(CheckpointError, match='not of numbers or strings'):
                read_checkpoint(path)
        assert exit_code(refuse) == 0  # numpy's own classes would end the process

    def test_array_without_content_is_refused_within_little_memory(self, path):
        class Boundless:
            def __reduce__(self):
                return np.zeros(0).__reduce__()[0], (np.ndarray, (0,), b'b'), (1, (2**25,), np.dtype('f8'), False, None)
        save({'state_dict': TENSORS, 'meta': Boundless()}, path)
        assert_refused_in_little_memory(path, 'out of NoneType')

    @pytest.mark.parametrize('value', [np.array([{}, 1], object), np.zeros(2, [('a', 'f4')])], ids=['object', 'struct'])
    def test_arrays_of_other_than_numbers_and_strings_are_refused(self, path, value):
        save({'state_dict': TENSORS, 'meta': value}, path)
        with pytest.raises(CheckpointError, match='not of numbers or strings'):
            read_checkpoint(path)

    def test_memory_of_any_size_out_of_a_number_is_refused(self, path):
        class Boundless:
            def __reduce__(self):
                return bytearray, (2**34,)
        save({'state_dict': TENSORS, 'meta': Boundless()}, path)
        assert_refused_in_little_memory(path, 'wants to import bytearray. A file that does so')

    @pytest.mark.parametrize('old', [False, True], ids=['zip', 'pickle'])
    @pytest.mark.parametrize('key', [b')' + b'\x85' * 10**6, b'()' + b'(' * 500 + b't' * 501], ids=['one', 'many'])
    def test_tuples_in_tuples_as_a_key_do_not_end_the_process(self, path, old, key):
        # A dict with that key: to hash it overflows the stack.
        body = b'\x80\x02}' + key + b'Ns.'
        save({'a': torch.zeros(1)}, path)
        if old:
            path.write_bytes(body)
        else:
            rezip(path, lambda name, content: body if name.endswith('data.pkl') else content)
        with pytest.raises(CheckpointError, match='holds tuples in tuples, more than 100 deep'):
            read_checkpoint(path)

    @pytest.mark.parametrize('read', [read_checkpoint, read_all])
    def test_one_number_that_claims_to_be_a_terabyte_is_refused(self, path, read):
        save({'w': torch.zeros(1).expand(2**38)}, path)
        with pytest.raises(CheckpointError, match='its tensors claim 1099511627776 bytes'):
            read(path)

    @pytest.mark.parametrize('value', [
        torch.eye(2).to_sparse(), torch.zeros(2, device='meta'),
        torch.quantize_per_tensor(torch.zeros(2), 1.0, 0, torch.qint8), torch.zeros(2).to(torch.float8_e4m3fn)],
        ids=['sparse', 'meta', 'quantised', 'float8'])
    def test_tensors_without_plain_numbers_are_refused(self, path, value):
        save({'w': value}, path)
        with pytest.raises(CheckpointError, match='holds w as something else than plain numbers|damaged'):
            read_checkpoint(path)

    @pytest.mark.parametrize('name', ['a\x1b[31m', 'a\nb', 'a\ud800', '\x00'], ids=ascii)
    def test_names_that_would_command_a_terminal_are_refused(self, path, name):
        save({name: torch.zeros(1)}, path)
        with pytest.raises(CheckpointError, match='names a tensor') as error:
            read_checkpoint(path)
        assert str(error.value).isprintable()

    def test_tensors_that_two_names_claim_are_refused(self, path):
        save({'a': torch.zeros(1), 'module.a': torch.ones(1)}, path)
        with pytest.raises(CheckpointError, match='some of its tensors with "module."'):
            read_checkpoint(path)

    def test_what_holds_itself_or_is_deep_or_doubles_without_end_is_read(self, path):
        loop, deep, double = [np.float32(1), np.arange(2)], [], (np.arange(2),)
        loop.append(loop)
        for _ in range(90):
            deep, double = [deep], (double, double)
        save({'state_dict': TENSORS, 'meta': dict(loop=loop, deep=deep, double=double)}, path)
        meta = read_checkpoint(path).meta
        assert meta['loop'][2] is meta['loop'] and type(meta['loop'][1]) is np.ndarray
        for _ in range(90):
            assert meta['double'][0] is meta['double'][1]
            meta['double'] = meta['double'][0]
        assert type(meta['double'][0]) is np.ndarray

    def test_a_dtype_that_was_never_made_stands_for_nothing(self, path):
        save({'state_dict': TENSORS, 'meta': {'x': np.dtype('f4')}}, path)
        # NEWOBJ in place of REDUCE: no constructor is called.
        rezip(path, lambda name, content: re.sub(rb'(cnumpy\ndtype\n.*?)R', lambda match: match[1] + b'\x81', content,
                                                 flags=re.DOTALL) if name.endswith('data.pkl') else content)
        try:
            assert read_checkpoint(path).meta['x'] is None
        except CheckpointError as error:
            assert 'damaged' in str(error)

# To hash the key of this dict overflows the stack of C.
TRAP = b'\x80\x02})' + b'\x85' * 10**6 + b'Ns.'


class TestTwoReaders:
    """torch reads archives by other rules than Python's zipfile, by which they are checked."""

    @pytest.fixture
    def plain(self, path):
        """Return the parts of an archive without the records of large ones: entries, directory, end record."""
        save({'a': torch.zeros(1), 'long': 'x' * 2 * len(TRAP)}, path)
        rezip(path, lambda name, content: content)
        content = path.read_bytes()
        end = len(content) - 22
        size, start = struct.unpack_from('<II', content, end + 12)
        assert start + size == end
        return content[:start], content[start:end], content[end:]

    def test_the_trap_is_one(self, path):
        save({'a': torch.zeros(1)}, path)
        rezip(path, lambda name, content: TRAP if name.endswith('data.pkl') else content)

        assert exit_code(lambda: torch.load(path, weights_only=True)) == -signal.SIGSEGV

    def test_second_directory_that_only_one_of_them_sees_is_refused(self, path, plain):
        # zipfile takes the directory before the end record, torch the one at the byte that the record names.
        rezip(path, lambda name, content: TRAP.ljust(len(content), b'.') if name.endswith('data.pkl') else content)
        entries, directory, end = plain
        trapped = path.read_bytes()[:len(entries) + len(directory)]
        path.write_bytes(trapped + entries + directory + end)
        with zipfile.ZipFile(path) as archive:
            assert TRAP not in archive.read('net/data.pkl')
        assert torch._C.PyTorchFileReader(str(path)).get_record('data.pkl').startswith(TRAP)
        with pytest.raises(CheckpointError, match='is truncated or damaged .*directory and its end record disagree'):
            read_checkpoint(path)

    @pytest.mark.parametrize('place, problem', [(-34, 'end records disagree'), (-50, 'its end record disagree'),
                                                (-58, 'its end record disagree'), (-66, 'records 26. entries'),
                                                (-2, 'does not end with the end record')],
                             ids=['locator', 'start', 'size', 'count', 'comment'])
    def test_end_records_that_say_something_else_are_refused(self, path, place, problem):
        save(TENSORS, path)
        content = bytearray(path.read_bytes())
        content[place + (place == -66)] ^= 1
        path.write_bytes(content + b'x' * (place == -2))
        with pytest.raises(CheckpointError, match=f'damaged.*{problem}'):
            read_checkpoint(path)

    @pytest.mark.parametrize('name', ['net/DATA.PKL', 'net/Data.pkl'])
    def test_traps_are_found_under_each_name_by_which_torch_finds_a_pickle(self, path, name):
        save({'a': torch.zeros(1)}, path)
        rezip(path, lambda name, content: TRAP if name.endswith('data.pkl') else content)
        path.write_bytes(path.read_bytes().replace(b'net/data.pkl', name.encode()))
        with pytest.raises(CheckpointError, match='holds tuples in tuples'):
            read_checkpoint(path)

    @pytest.mark.parametrize('size', [4, 21, 22, 41, 97])
    def test_file_shorter_than_the_records_is_said(self, path, size):
        path.write_bytes(b'PK\x03\x04'.ljust(size, b'P'))
        with pytest.raises(CheckpointError, match='does not end with the end record'):
            read_checkpoint(path)

    def test_archive_with_something_before_it_is_no_checkpoint(self, path):
        save(TENSORS, path)
        path.write_bytes(b'PK' + path.read_bytes())
        with pytest.raises(CheckpointError, match='is not a checkpoint'):
            read_checkpoint(path)

    def test_archives_of_python_and_of_torch_pass(self, path):
        save(TENSORS, path)
        assert_same(read_checkpoint(path).state)
        rezip(path, lambda name, content: content)
        assert_same(read_checkpoint(path).state)


class TestOtherFiles:
    @pytest.mark.parametrize('content, problem', [
        (b'', 'is empty'),
        (b'\n <!DOCTYPE html>\n<html>', 'is a web page'),
        (b'<?xml version="1.0"?><Error/>', 'is a web page'),
        (b'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n', 'git-lfs pointer.*git lfs pull'),
        (b'{"message": "Not Found"}', 'is not a checkpoint'),
        (b'\x1f\x8b\x08', 'is not a checkpoint'),
        (b'x', 'is not a checkpoint')], ids=['empty', 'html', 'xml', 'lfs', 'json', 'gzip', 'byte'])
    def test_what_it_is_instead_is_said(self, path, content, problem):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=problem):
            read_checkpoint(path)

    def test_missing_file_is_said(self, path):
        with pytest.raises(CheckpointError, match='does not exist'):
            read_checkpoint(path)

    def test_folder_is_said(self, tmp_path):
        with pytest.raises(CheckpointError, match='is a folder'):
            read_checkpoint(tmp_path)

    @pytest.mark.parametrize('begins', ['storages', '\udc80\x02'], ids=['storages', 'pickle'])
    def test_tar_of_the_oldest_torch_is_said_however_it_begins(self, path, begins):
        with tarfile.open(path, 'w', format=tarfile.GNU_FORMAT) as archive:
            archive.addfile(tarfile.TarInfo(begins), io.BytesIO())
        assert (path.read_bytes()[0] == 0x80) == (begins != 'storages')
        with pytest.raises(CheckpointError, match='is a tar file'):
            read_checkpoint(path)

    def test_torchscript_is_said(self, path):
        torch.jit.script(nn.Linear(1, 1)).save(path)
        with pytest.raises(CheckpointError, match='TorchScript'):
            read_checkpoint(path)

    def test_pickle_of_another_program_is_said(self, path):
        with path.open('wb') as file:
            pickle.dump({'model': {'w': np.zeros(3)}}, file)
        with pytest.warns(UserWarning, match='protocol'), pytest.raises(CheckpointError, match='not written by torch'):
            read_checkpoint(path)

    @pytest.mark.parametrize('content, problem', [
        ([torch.ones(1)], 'holds a list'), (torch.ones(1), 'holds a Tensor'), ({}, 'no tensors.*none'),
        ({'epoch': 1}, "no tensors.*'epoch'"), ({'state_dict': {'a': 1}}, "no tensors by name, in its 'state_dict'")])
    def test_no_tensors_by_name_is_said(self, path, content, problem):
        save(content, path)
        with pytest.raises(CheckpointError, match=problem):
            read_checkpoint(path)


class TestDamage:
    @pytest.mark.parametrize('old', [False, True], ids=['zip', 'pickle'])
    def test_truncated_file_is_said(self, path, old):
        save({'w': torch.randn(1000)}, path, old)
        whole = path.read_bytes()
        for part in (0.02, 0.3, 0.6, 0.9, 0.999):
            path.write_bytes(whole[:int(len(whole) * part)])
            with pytest.raises(CheckpointError, match='damaged'):
                read_checkpoint(path)

    @pytest.mark.parametrize('old', [False, True], ids=['zip', 'pickle'])
    @pytest.mark.parametrize('claim', [1500, 2**28, 2**31 - 1])
    def test_storage_that_claims_more_than_there_is_is_refused_within_little_memory(self, path, old, claim):
        save({'w': torch.zeros(1000)}, path, old)

        def change(content):
            assert content.count(b'M\xe8\x03') >= 2
            return content.replace(b'M\xe8\x03', b'J' + struct.pack('<i', claim))
        if old:
            path.write_bytes(change(path.read_bytes()))
        else:
            rezip(path, lambda name, content: change(content) if name.endswith('data.pkl') else content)
        assert_refused_in_little_memory(path, 'is damaged')

    def test_compressed_archive_is_refused_within_little_memory(self, path):
        save({'w': torch.zeros(1)}, path)
        rezip(path, lambda name, content: bytes(200_000_000) if name.endswith('data.pkl') else content,
              zipfile.ZIP_DEFLATED)
        assert_refused_in_little_memory(path, 'is a compressed archive, which torch.save never writes')

    def test_archive_whose_entries_share_bytes_is_refused(self, path):
        save({'w': torch.randn(10_000)}, path)
        content = path.read_bytes()
        directory = content.index(b'PK\x01\x02')
        # Every entry points to the largest one: sizes and offset of its record in the directory.
        big = content.rindex(b'PK\x01\x02', 0, content.index(b'data/0', directory))
        for at in [at for at in range(directory, len(content)) if content[at:at + 4] == b'PK\x01\x02']:
            content = content[:at + 20] + content[big + 20:big + 28] + content[at + 28:]
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match='claims to hold'):
            read_checkpoint(path)

    @pytest.mark.parametrize('claim', [2**32, 2**60, 1, 0])
    @pytest.mark.parametrize('suffix', ['.safetensors', '.bin'])
    def test_absurd_header_is_refused(self, tmp_path, claim, suffix):
        path = tmp_path / f'net{suffix}'
        path.write_bytes(struct.pack('<Q', claim) + b'{"w": 1}')
        with pytest.raises(CheckpointError, match=f'claims a header of {claim} bytes and has 16'):
            read_checkpoint(path)

    def test_header_of_four_gigabytes_in_a_file_of_that_size_is_refused_within_little_memory(self, tmp_path):
        path = tmp_path / 'net.safetensors'
        with path.open('wb') as file:
            file.write(struct.pack('<Q', 2**32) + b'{')
            # A hole: no disk is used.
            file.truncate(2**32 + 8)
        assert_refused_in_little_memory(path, 'claims a header of 4294967296 bytes')

    @pytest.mark.parametrize('tensor', [
        dict(shape=[2**58], data_offsets=[0, 2**60]), dict(shape=[2**58], data_offsets=[0, 4]),
        dict(shape=[2**40, 2**40], data_offsets=[0, 4]), dict(shape=[-1], data_offsets=[0, 4]),
        dict(shape=[1], data_offsets=[4, 8])], ids=lambda tensor: f'{tensor["shape"]}-{tensor["data_offsets"]}')
    def test_tensor_that_claims_more_than_there_is_is_refused(self, tmp_path, tensor):
        header = json.dumps({'w': dict(tensor, dtype='F32')}).encode()
        path = tmp_path / 'net.safetensors'
        path.write_bytes(struct.pack('<Q', len(header)) + header + bytes(4))
        with pytest.raises(CheckpointError, match='damaged'):
            read_checkpoint(path)

    def test_truncated_safetensors_is_said(self, tmp_path):
        path = tmp_path / 'net.safetensors'
        save_file(TENSORS, path)
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(CheckpointError, match='damaged'):
            read_checkpoint(path)
