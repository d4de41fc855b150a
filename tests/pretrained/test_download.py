"""What reaches the cache is what was published, or an error says why not; whatever the network and the disk do."""

import errno
import fcntl
import functools
import hashlib
import io
import itertools
import multiprocessing
import os
import random
import resource
import signal
import time
import urllib.request
from types import SimpleNamespace

import pytest
import torch

from se_backbones.pretrained import download, progress, transfer
from se_backbones.pretrained.download import RetryPolicy, cache_folder, fetch, url_file
from se_backbones.pretrained.errors import DownloadError
from se_backbones.utils.file_lock import exclusive

WEIGHTS = random.Random(0).randbytes(300_000)
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
QUICK = RetryPolicy(attempts=3, stall=0.3, backoff=0.01)
FILE = 'net-' + SHA256[:8] + '.pth'

# Processes that share nothing with this one but the disk; forked, for importing torch takes seconds.
PROCESSES = multiprocessing.get_context('fork')


@pytest.fixture
def get(tmp_path):
    """Return a function that fetches into an empty cache."""
    return functools.partial(fetch, FILE, sha256=SHA256[:8], home=tmp_path / 'cache', retry=QUICK)


@pytest.fixture
def cache(tmp_path):
    folder = tmp_path / 'cache'
    folder.mkdir()
    return folder


def assert_only(path, names=(FILE, f'{FILE}.sha256')):
    assert sorted(os.listdir(path)) == sorted(names)


class TestFetch:
    def test_file_arrives_whole_and_alone(self, weights_server, get, cache):
        path = get([weights_server.serve('a.pth', WEIGHTS)])
        assert path == cache / FILE
        assert path.read_bytes() == WEIGHTS
        assert_only(cache)

    def test_cached_file_is_not_fetched_again(self, weights_server, get):
        url = weights_server.serve('a.pth', WEIGHTS)
        assert get([url]) == get([url])
        assert len(weights_server.requests) == 1

    def test_cached_file_with_a_wrong_hash_is_an_error_and_stays(self, weights_server, get, cache):
        (cache / FILE).write_bytes(b'precious')
        with pytest.raises(DownloadError, match=rf'{FILE} is not the file that was published.*{SHA256[:8]}\. Delete'):
            get([weights_server.serve('a.pth', WEIGHTS)])
        assert (cache / FILE).read_bytes() == b'precious'
        assert not weights_server.requests

    def test_cached_file_is_taken_where_no_hash_was_published(self, get, cache):
        (cache / FILE).write_bytes(b'precious')
        assert get([], sha256='').read_bytes() == b'precious'

    def test_folder_of_that_name_is_an_error(self, get, cache):
        (cache / FILE).mkdir()
        with pytest.raises(DownloadError, match='in the way'):
            get([])

    def test_hash_may_be_upper_case_and_whole(self, weights_server, get):
        get([weights_server.serve('a.pth', WEIGHTS)], sha256=SHA256.upper())

    def test_cache_folder_is_the_variable_or_torch_hubs(self, monkeypatch, tmp_path):
        monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
        monkeypatch.delenv('SE_BACKBONES_HOME', raising=False)
        assert cache_folder() == tmp_path / 'hub' / 'checkpoints'
        monkeypatch.setenv('SE_BACKBONES_HOME', str(tmp_path / 'mine'))
        assert cache_folder() == tmp_path / 'mine'

    @pytest.mark.parametrize('name', ['', '.', '..', '../x.pth', '/etc/x.pth', 'a/b.pth', 'a\\b.pth', 'a\0b',
                                      'x' * 300])
    def test_names_that_leave_the_cache_are_refused(self, get, name):
        with pytest.raises(DownloadError, match='not a file name'):
            fetch(name, ['http://127.0.0.1:1/x.pth'])


class TestNetwork:
    def test_truncated_download_is_continued(self, weights_server, get):
        get([weights_server.serve('a.pth', WEIGHTS, [weights_server.cut(100_000)])])
        assert [request.range for request in weights_server.requests] == ['', 'bytes=100000-']

    def test_truncated_download_without_hash_is_continued_if_the_server_vouches_for_it(self, weights_server, get):
        path = get([weights_server.serve('a.pth', WEIGHTS, [weights_server.cut(100_000)])], sha256='')
        assert path.read_bytes() == WEIGHTS
        second = weights_server.requests[1]
        assert second.range == 'bytes=100000-'
        assert second.if_range

    def test_file_that_changes_meanwhile_starts_anew(self, weights_server, get):
        def cut_and_change(handler, content):
            weights_server.files['a.pth'] = WEIGHTS
            weights_server.cut(100)(handler, content)
        path = get([weights_server.serve('a.pth', b'old' * 1000, [cut_and_change])], sha256='')
        assert path.read_bytes() == WEIGHTS

    @pytest.mark.parametrize('length', ['9' * 5000, '-5', 'many', '\xb2'])
    def test_sizes_that_are_none_are_not_believed(self, weights_server, get, length):
        answer = [lambda handler, content: handler.reply(200, content, **{'Content-Length': length})]
        assert get([weights_server.serve('a.pth', WEIGHTS, answer)]).read_bytes() == WEIGHTS

    def test_part_beyond_all_numbers_is_asked_for_again(self, weights_server, get):
        def absurd(handler, content):
            handler.reply(206, content, **{'Content-Range': f'bytes {"9" * 5000}-'})
        answers = [weights_server.cut(1000), absurd]
        assert get([weights_server.serve('a.pth', WEIGHTS, answers)]).read_bytes() == WEIGHTS

    def test_server_that_ignores_ranges_starts_anew(self, weights_server, get):
        path = get([weights_server.serve('a.pth', WEIGHTS, [weights_server.cut(100_000), weights_server.whole()])])
        assert weights_server.requests[1].range == 'bytes=100000-'
        assert path.read_bytes() == WEIGHTS

    @pytest.mark.parametrize('sha256', [SHA256, ''], ids=['hash', 'no hash'])
    def test_server_that_sends_another_part_is_asked_again(self, weights_server, get, sha256):
        url = weights_server.serve('a.pth', WEIGHTS, [weights_server.cut(100_000), weights_server.wrong_part()])
        path = get([url], sha256=sha256)
        assert [request.range for request in weights_server.requests] == ['', 'bytes=100000-', '']
        assert path.read_bytes() == WEIGHTS

    def test_always_truncated_is_an_error(self, weights_server, get, cache):
        answers = itertools.repeat(weights_server.cut(1000))
        with pytest.raises(DownloadError, match=r'ended after 1000 of 300000 bytes \(3 attempts\)'):
            get([weights_server.serve('a.pth', WEIGHTS, answers)])
        assert not (cache / FILE).exists()

    def test_attempts_that_gain_a_mebibyte_are_not_counted(self, weights_server, get):
        big = random.Random(1).randbytes(4 << 20)

        def one_more(handler, content):
            start = len(weights_server.requests) - 1 << 20
            handler.reply(206 if start else 200, content[start:start + (1 << 20)], **{
                'Content-Range': f'bytes {start}-', 'Content-Length': str(len(content) - start)})
        path = get([weights_server.serve('a.pth', big, itertools.repeat(one_more))], retry=RetryPolicy(
            1, backoff=0.01), sha256=hashlib.sha256(big).hexdigest())
        assert path.read_bytes() == big
        assert len(weights_server.requests) == 4

    def test_stall_is_ended_and_continued(self, weights_server, get):
        path = get([weights_server.serve('a.pth', WEIGHTS, [weights_server.stall(100_000)])])
        assert path.read_bytes() == WEIGHTS
        assert weights_server.requests[1].range == 'bytes=100000-'

    def test_lasting_stall_is_an_error(self, weights_server, get):
        with pytest.raises(DownloadError, match=r'no data for 0\.3 s \(3 attempts\)'):
            get([weights_server.serve('a.pth', WEIGHTS, itertools.repeat(weights_server.stall(1000)))])

    @pytest.mark.parametrize('code', [429, 500, 503])
    def test_passing_errors_are_tried_again(self, weights_server, get, code):
        get([weights_server.serve('a.pth', WEIGHTS, [weights_server.error(code)] * 2)])
        assert len(weights_server.requests) == 3

    def test_404_is_not_tried_again(self, weights_server, get):
        with pytest.raises(DownloadError, match='HTTP 404'):
            get([weights_server.url('none.pth')])
        assert len(weights_server.requests) == 1

    def test_redirects_are_followed(self, weights_server, get):
        there = weights_server.serve('there.pth', WEIGHTS)
        here = weights_server.serve('here.pth', b'', itertools.repeat(weights_server.redirect(there)))
        assert get([here]).read_bytes() == WEIGHTS

    def test_redirect_to_a_local_file_is_refused(self, weights_server, get, tmp_path):
        (tmp_path / 'local.pth').write_bytes(WEIGHTS)
        redirect = itertools.repeat(weights_server.redirect(f'file://{tmp_path}/local.pth'))
        with pytest.raises(DownloadError, match='HTTP 302'):
            get([weights_server.serve('here.pth', b'', redirect)])

    @pytest.mark.parametrize('kind, body', [('text/html; charset=utf-8', b'Sign in'),
                                            ('application/octet-stream', b'\n<!doctype HTML><html>Sign in</html>')],
                             ids=['type', 'content'])
    def test_web_page_is_recognised_by_its_type_and_by_its_content(self, weights_server, get, cache, kind, body):
        with pytest.raises(DownloadError, match='answered with a web page'):
            get([weights_server.serve('a.pth', WEIGHTS, [weights_server.page(kind, body)])], sha256='')
        assert not (cache / FILE).exists()

    def test_refused_connection_is_an_error(self, get):
        with pytest.raises(DownloadError, match='Connection refused'):
            get(['http://127.0.0.1:1/a.pth'])

    @pytest.mark.parametrize('url', ['file:///etc/passwd', 'ftp://127.0.0.1/a.pth', '/etc/passwd',
                                     'http://192.0.2.1/a.pth', 'http://localhost.example.org/a.pth'])
    def test_other_than_https_is_refused(self, weights_server, get, url):
        with pytest.raises(DownloadError, match=f'{url}: only https URLs are fetched'):
            get([url])
        redirect = itertools.repeat(weights_server.redirect(url))
        with pytest.raises(DownloadError, match='only https URLs are fetched|HTTP 302|HTTP 404'):
            get([weights_server.serve('here.pth', b'', redirect)])

    @pytest.mark.parametrize('url', ['http://example.org/a.pth', 'http://127.0.0.1/a.pth', 'ftp://example.org/a.pth'])
    def test_https_is_not_led_to_less(self, url):
        request = urllib.request.Request('https://example.org/a.pth')
        with pytest.raises(transfer.TransferError, match=f'sends to {url}: only https URLs'):
            transfer._Redirects().redirect_request(request, io.BytesIO(), 302, '', {}, url)
        assert transfer._Redirects().redirect_request(request, io.BytesIO(), 302, '', {}, 'https://example.com/b.pth')

    def test_trickle_is_given_up_like_a_stall(self, weights_server, get):
        def trickle(handler, content):
            weights_server.cut(2000)(handler, content)
            for _ in range(60):
                handler.wfile.write(b'x')
                weights_server.closing.wait(0.05)
        with pytest.raises(DownloadError, match=r'less than 1 KiB/s for 0\.3 s \(3 attempts\)'):
            get([weights_server.serve('a.pth', WEIGHTS, itertools.repeat(trickle))])

    def test_each_wait_for_a_server_shows_a_line_before_it(self, weights_server, get, monkeypatch):
        lines = []
        monkeypatch.setattr(download, 'print_log', lambda text, **kwargs: lines.append((text, len(
            weights_server.requests))))
        url = weights_server.serve('a.pth', WEIGHTS, [weights_server.error(503)])
        get([url])
        assert lines == [(f'Downloading {FILE} from {url}', 0),
                         (f'{FILE}: HTTP 503 Service Unavailable; attempt 2 of 3 in 0.01 s', 1)]

    def test_interruption_is_one_line_and_the_next_download_continues(self, weights_server, get, monkeypatch):
        def interrupt(seconds):
            raise KeyboardInterrupt
        url = weights_server.serve('a.pth', WEIGHTS, [weights_server.cut(1000)])
        with monkeypatch.context() as patch, pytest.raises(DownloadError, match=f'^{FILE}: interrupted. What came is'):
            patch.setattr(download.time, 'sleep', interrupt)
            get([url])
        get([url])
        assert weights_server.requests[-1].range == 'bytes=1000-'


class TestRecord:
    def test_whole_digest_is_kept_as_sha256sum_reads_it(self, weights_server, get, cache):
        get([weights_server.serve('a.pth', WEIGHTS)])
        assert (cache / f'{FILE}.sha256').read_text() == f'{SHA256}  {FILE}\n'

    @pytest.mark.parametrize('sha256', [SHA256[:8], ''], ids=['digits', 'none'])
    def test_another_file_with_the_published_digits_is_refused_once_one_was_there(self, weights_server, get, cache,
                                                                                  sha256):
        get([weights_server.serve('a.pth', WEIGHTS)], sha256=sha256)
        # Eight digits can be forged; here the forger has none to meet.
        with pytest.MonkeyPatch.context() as patch:
            forged = SHA256[:8] + '0' * 56
            patch.setattr(download, '_sha256', lambda path: forged)
            with pytest.raises(DownloadError, match=f'or that was there first.*{forged}, not {SHA256}.*{FILE}.sha256'):
                get([], sha256=sha256)
            (cache / FILE).unlink()
            with pytest.raises(DownloadError, match=f'the sha256 there is {forged}, not {SHA256} as .*{FILE}'):
                get([weights_server.serve('b.pth', WEIGHTS)], sha256=sha256)
        assert not (cache / FILE).exists()

    def test_first_file_of_a_person_is_recorded_too(self, get, cache):
        (cache / FILE).write_bytes(b'first')
        get([], sha256='')
        (cache / FILE).write_bytes(b'second')
        with pytest.raises(DownloadError, match='that was there first'):
            get([], sha256='')

    @pytest.mark.parametrize('record', ['', 'x', 'f' * 64, '\udcff'], ids=['empty', 'text', 'of another file', 'bytes'])
    def test_record_that_is_none_is_made_anew(self, weights_server, get, cache, record):
        (cache / f'{FILE}.sha256').write_text(record, errors='surrogateescape')
        get([weights_server.serve('a.pth', WEIGHTS)])
        assert (cache / f'{FILE}.sha256').read_text().startswith(SHA256)


class TestMirrors:
    def test_next_mirror_is_tried_and_the_first_that_works_ends_it(self, weights_server, get):
        urls = [weights_server.url('none.pth'), weights_server.serve('wrong.pth', WEIGHTS[:-1] + b'?'),
                weights_server.serve('page.pth', WEIGHTS, [weights_server.page()]),
                weights_server.serve('right.pth', WEIGHTS), weights_server.serve('unused.pth', WEIGHTS)]
        assert get(urls).read_bytes() == WEIGHTS
        assert [request.path for request in weights_server.requests] == [
            'none.pth', 'wrong.pth', 'page.pth', 'right.pth']

    def test_what_one_mirror_began_the_next_continues_if_a_hash_holds_them_together(self, weights_server, get):
        urls = [weights_server.serve('a.pth', WEIGHTS, itertools.repeat(weights_server.cut(100_000))),
                weights_server.serve('b.pth', WEIGHTS)]
        get(urls)
        assert weights_server.requests[-1].range == 'bytes=100000-'

    def test_pieces_of_different_files_are_never_joined_without_a_hash(self, weights_server, get):
        urls = [weights_server.serve('a.pth', b'other' * 50_000, itertools.repeat(weights_server.cut(100_000))),
                weights_server.serve('b.pth', WEIGHTS)]
        assert get(urls, sha256='').read_bytes() == WEIGHTS
        assert weights_server.requests[-1].range == ''

    def test_error_names_the_file_each_url_with_its_reason_the_folder_and_the_way_out(self, weights_server, get, cache):
        urls = [weights_server.url('none.pth'), weights_server.serve('wrong.pth', b'other')]
        with pytest.raises(DownloadError) as error:
            get(urls, page='https://example.org/weights')
        wrong = hashlib.sha256(b'other').hexdigest()[:8]
        assert str(error.value) == (
            f'{FILE} could not be downloaded:\n'
            f'    {urls[0]}: HTTP 404 Not Found\n'
            f'    {urls[1]}: the sha256 there begins with {wrong}, not {SHA256[:8]}\n'
            'Fetch it by hand from\n'
            '    https://example.org/weights\n'
            f'and save it as {cache / FILE} (SE_BACKBONES_HOME names another folder).\n'
            'To go on without these weights: init_cfg=None (--cfg-options model.backbone.init_cfg=None).')
        assert_only(cache, [f'{FILE}.lock'])


class TestOffline:
    def test_offline_asks_nobody_and_says_what_to_fetch(self, weights_server, get, cache, monkeypatch):
        monkeypatch.setenv('SE_BACKBONES_OFFLINE', '1')
        url = weights_server.serve('a.pth', WEIGHTS)
        with pytest.raises(DownloadError) as error:
            get([url])
        for text in (FILE, url, str(cache), 'SE_BACKBONES_OFFLINE is set'):
            assert text in str(error.value)
        assert not weights_server.requests

    def test_offline_takes_what_is_cached(self, get, cache, monkeypatch):
        monkeypatch.setenv('SE_BACKBONES_OFFLINE', '1')
        (cache / FILE).write_bytes(WEIGHTS)
        assert get([]) == cache / FILE

    def test_zero_is_online(self, weights_server, get, monkeypatch):
        monkeypatch.setenv('SE_BACKBONES_OFFLINE', '0')
        get([weights_server.serve('a.pth', WEIGHTS)])

    def test_file_without_urls_names_its_page(self, get, cache):
        with pytest.raises(DownloadError, match=f'must be downloaded by hand(.|\n)*https://example.org(.|\n)*{FILE}'):
            get([], page='https://example.org')


class TestDisk:
    @pytest.fixture
    def failing(self, monkeypatch):
        """Return a function that makes writing the partial file fail with a code, after some bytes."""
        def arrange(code):
            real = transfer.os.fsync

            def fsync(descriptor):
                if os.readlink(f'/proc/self/fd/{descriptor}').endswith('.part'):
                    raise OSError(code, os.strerror(code))
                return real(descriptor)
            monkeypatch.setattr(transfer.os, 'fsync', fsync)
        return arrange

    def test_disk_that_fills_up_is_one_error_and_leaves_no_file(self, weights_server, get, cache, failing):
        failing(errno.ENOSPC)
        urls = [weights_server.serve('a.pth', WEIGHTS), weights_server.serve('b.pth', WEIGHTS)]
        with pytest.raises(DownloadError, match=r'No space left on device\. Free some space'):
            get(urls)
        assert_only(cache, [f'{FILE}.lock'])
        assert len(weights_server.requests) == 1

    def test_file_that_outgrows_what_the_system_allows_is_one_error(self, weights_server, get, cache):
        url = weights_server.serve('a.pth', WEIGHTS)

        def limited():
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
            with pytest.raises(DownloadError, match=r'File too large\. Free some space'):
                get([url])
        process = PROCESSES.Process(target=limited)
        process.start()
        process.join(20)
        assert process.exitcode == 0
        assert_only(cache, [f'{FILE}.lock'])

    def test_disk_without_room_is_an_error_before_a_byte_is_written(self, weights_server, get, cache, monkeypatch):
        monkeypatch.setattr(transfer.shutil, 'disk_usage', lambda path: SimpleNamespace(free=1000))
        with pytest.raises(DownloadError, match='No space left'):
            get([weights_server.serve('a.pth', WEIGHTS)])
        assert_only(cache, [f'{FILE}.lock'])

    def test_input_output_error_is_one_error(self, weights_server, get, failing):
        failing(errno.EIO)
        with pytest.raises(DownloadError, match='Input/output error'):
            get([weights_server.serve('a.pth', WEIGHTS)])

    def test_cache_below_a_file_is_an_error(self, weights_server, get, tmp_path):
        (tmp_path / 'file').write_bytes(b'')
        with pytest.raises(DownloadError, match='cannot be written.*SE_BACKBONES_HOME'):
            get([weights_server.serve('a.pth', WEIGHTS)], home=tmp_path / 'file' / 'cache')

    @pytest.fixture
    def read_only(self, monkeypatch):
        real = os.open

        def refuse(path, flags, *args, **kwargs):
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
            return real(path, flags, *args, **kwargs)
        monkeypatch.setattr(os, 'open', refuse)

    def test_read_only_cache_is_an_error(self, weights_server, get, read_only):
        with pytest.raises(DownloadError, match=r'Read-only file system\. Make that folder writable, or set SE_BACK'):
            get([weights_server.serve('a.pth', WEIGHTS)])
        assert not weights_server.requests

    def test_read_only_cache_serves_what_it_has(self, get, cache, read_only):
        (cache / FILE).write_bytes(WEIGHTS)
        assert get([]) == cache / FILE

    def test_file_that_another_program_put_there_meanwhile_is_not_overwritten(self, weights_server, get, cache):
        def put(handler, content):
            (cache / FILE).write_bytes(b'precious')
            weights_server.plain(handler, content)
        with pytest.raises(DownloadError, match='is not the file that was published'):
            get([weights_server.serve('a.pth', WEIGHTS, [put])])
        assert (cache / FILE).read_bytes() == b'precious'

    @pytest.mark.parametrize('name', [f'{FILE}.part', f'{FILE}.lock'])
    def test_link_in_place_of_a_file_of_ours_leads_nowhere(self, weights_server, get, cache, tmp_path, name):
        (tmp_path / 'mine').write_bytes(b'precious')
        for target in (tmp_path / 'mine', tmp_path / 'made'):
            (cache / name).symlink_to(target)
            with pytest.raises(DownloadError, match='Too many levels of symbolic links'):
                get([weights_server.serve('a.pth', WEIGHTS)])
            (cache / name).unlink()
        assert (tmp_path / 'mine').read_bytes() == b'precious' and not (tmp_path / 'made').exists()

    def test_link_in_place_of_the_record_leads_nowhere(self, weights_server, get, cache, tmp_path):
        (tmp_path / 'mine').write_bytes(b'precious')
        (cache / f'{FILE}.sha256').symlink_to(tmp_path / 'mine')
        get([weights_server.serve('a.pth', WEIGHTS)])
        assert (tmp_path / 'mine').read_bytes() == b'precious'

    def test_file_system_without_hard_links_will_do(self, weights_server, get, cache, monkeypatch):
        def refuse(*args):
            raise OSError(errno.EPERM, 'no links')
        monkeypatch.setattr(download.os, 'link', refuse)
        get([weights_server.serve('a.pth', WEIGHTS)])
        assert_only(cache)

    def test_file_system_without_locks_will_do(self, weights_server, get, cache, monkeypatch):
        def refuse(*args):
            raise OSError(errno.ENOLCK, 'no locks')
        monkeypatch.setattr(fcntl, 'flock', refuse)
        get([weights_server.serve('a.pth', WEIGHTS)])
        assert (cache / FILE).read_bytes() == WEIGHTS


class TestProcesses:
    @staticmethod
    def start(get, urls, count=1, **kwargs):
        processes = [PROCESSES.Process(target=get, args=(urls,), kwargs=kwargs) for _ in range(count)]
        for process in processes:
            process.start()
        return processes

    def test_of_three_processes_one_downloads(self, weights_server, get, cache):
        def slowly(handler, content):
            time.sleep(0.3)
            weights_server.plain(handler, content)
        url = weights_server.serve('a.pth', WEIGHTS, [slowly])
        processes = self.start(get, [url], count=3, retry=RetryPolicy())
        for process in processes:
            process.join(30)
        assert [process.exitcode for process in processes] == [0, 0, 0]
        assert len(weights_server.requests) == 1
        assert_only(cache)

    def test_killed_in_mid_download_leaves_no_lock_and_the_next_continues(self, weights_server, get, cache):
        url = weights_server.serve('a.pth', WEIGHTS, [weights_server.stall(200_000)])
        process, = self.start(get, [url], retry=RetryPolicy(stall=60))
        part = cache / f'{FILE}.part'
        deadline = time.monotonic() + 20
        while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.join(20)
        assert not (cache / FILE).exists()
        size = part.stat().st_size
        assert 0 < size <= 200_000

        assert get([url]).read_bytes() == WEIGHTS
        assert weights_server.requests[-1].range == f'bytes={size}-'
        assert_only(cache)

    def test_killed_before_the_rename_needs_no_further_request(self, weights_server, get, cache):
        (cache / f'{FILE}.part').write_bytes(WEIGHTS)
        get([weights_server.serve('a.pth', WEIGHTS)])
        assert not weights_server.requests
        assert_only(cache)

    def test_partial_file_of_something_else_is_thrown_away(self, weights_server, get, cache):
        (cache / f'{FILE}.part').write_bytes(b'?' * 1000)
        assert get([weights_server.serve('a.pth', WEIGHTS)]).read_bytes() == WEIGHTS
        assert [request.range for request in weights_server.requests] == ['bytes=1000-', '']

    def test_partial_file_that_is_too_long_is_thrown_away(self, weights_server, get, cache):
        (cache / f'{FILE}.part').write_bytes(WEIGHTS + b'?')
        assert get([weights_server.serve('a.pth', WEIGHTS)]).read_bytes() == WEIGHTS

    def test_partial_file_of_unknown_origin_is_not_continued_without_a_hash(self, weights_server, get, cache):
        (cache / f'{FILE}.part').write_bytes(b'?' * 1000)
        assert get([weights_server.serve('a.pth', WEIGHTS)], sha256='').read_bytes() == WEIGHTS

    def test_who_waits_says_for_what(self, get, cache, monkeypatch):
        lines = []
        monkeypatch.setattr('mmengine.logging.print_log', lambda text, **kwargs: lines.append(text))
        lock = cache / 'x.lock'
        ready, release = PROCESSES.Event(), PROCESSES.Event()

        def hold():
            with exclusive(lock, 'to download x'):
                ready.set()
                release.wait(20)
        process = PROCESSES.Process(target=hold)
        process.start()
        assert ready.wait(20)
        monkeypatch.setattr(time, 'sleep', lambda seconds: release.set())
        with exclusive(lock, 'to download x') as held:
            assert held
        process.join(20)
        assert lines == [f'Waiting for another process to download x; it holds {lock}.']


class TestProgress:
    def test_log_says_file_and_size_and_how_far_it_is(self, weights_server, get, monkeypatch):
        lines = []
        monkeypatch.setattr(progress, 'print_log', lambda text, **kwargs: lines.append(text))
        monkeypatch.setattr(progress, 'LOG_EVERY', 0)
        get([weights_server.serve('a.pth', WEIGHTS)])
        assert lines[0] == f'{FILE}: 0.0 MB of 0.3 MB'
        assert lines[-1] == f'{FILE}: 0.3 MB of 0.3 MB'

    def test_terminal_shows_a_bar(self, weights_server, get, monkeypatch):
        screen = io.StringIO()
        screen.isatty = lambda: True
        monkeypatch.setattr('sys.stderr', screen)
        monkeypatch.setenv('COLUMNS', '200')
        get([weights_server.serve('a.pth', WEIGHTS)])
        assert FILE in screen.getvalue()
        assert '300.0/300.0 kB' in screen.getvalue()


class TestNames:
    @pytest.mark.parametrize('file, sha256', [
        ('se_resnet50-ce0d4300.pth', 'ce0d4300'),
        ('se-resnet50_batch256_imagenet_20200804-ae206104.pth', 'ae206104'),
        ('model-0123456789abcdef.pth.tar', '0123456789abcdef')])
    def test_published_names_say_their_hash(self, file, sha256):
        assert url_file(f'https://example.org/a/{file}?download=1#x') == (file, sha256)

    @pytest.mark.parametrize('file', ['vit-b.pth', 'resnet-50.pth', 'net-20200804.pth', 'model.pth',
                                      'net-ABCDEF01.pth'])
    def test_what_is_no_hash_is_not_taken_for_one(self, file):
        assert url_file(f'https://example.org/{file}')[1] == ''

    def test_files_of_the_same_name_do_not_meet_unless_a_hash_tells_them_apart(self):
        names = {url_file(f'https://example.org/{host}/model.pth')[0] for host in 'ab'}
        assert len(names) == 2
        assert all(name.startswith('model_') and name.endswith('.pth') for name in names)

    @pytest.mark.parametrize('url', ['https://example.org', 'https://example.org/a/', 'https://example.org/..',
                                     'https://example.org/%2e%2e', 'https://example.org/..%2f..%2fx.pth',
                                     'https://example.org/%2Fetc%2Fx.pth'])
    def test_urls_without_a_file_name_are_refused(self, url):
        with pytest.raises(DownloadError, match='not a file name'):
            url_file(url)
