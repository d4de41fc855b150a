"""The page in a real browser, where there is one: nothing fails, and a phone shows it without scrolling sideways."""

import html
import re
import shutil
import subprocess

import numpy as np
import pytest

from se_backbones.lab.report.page import render
from se_backbones.lab.report.parts import Section, Table, chart, photograph

CHROMIUM = next(filter(shutil.which, ('chromium', 'chromium-browser', 'google-chrome')), None)
FLAGS = ('--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
         '--disable-background-networking', '--disable-component-update', '--enable-logging=stderr', '--dump-dom',
         '--window-size=1400,900', '--host-resolver-rules=MAP * ~NOTFOUND')
# Chromium's own window is never narrower than 500 pixels; a frame is.
FRAME = """<title></title><iframe width="{width}" height="{height}" style="border: 0" srcdoc="{page}"></iframe>
<script>onload = () => {{
  const inner = document.querySelector('iframe').contentWindow
  const fetched = inner.performance.getEntriesByType('resource').map(entry => entry.name)
  document.title = [inner.document.documentElement.scrollWidth, inner.document.documentElement.clientWidth,
                    ...fetched.filter(name => !name.startsWith('data:'))].join(' ')
}}</script>"""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason='Chromium is not installed')]


@pytest.fixture
def page():
    """A page of every part that there is, with names as long as configs have them."""
    long = 'model.roi_head.bbox_head.loss_bbox.' * 3
    words = Table(('setting', 'first run', 'second run'), [(long, "'" + 'x' * 60 + "'", '-')], words=True)
    numbers = Table(('metric', *[f'run number {k}' for k in range(6)]), [('coco/bbox_mAP', *['0.123456'] * 6)])
    folded = Table(('key', 'value'), [(f'{long}{k}', '1') for k in range(30)], words=True)
    pixels = np.zeros((60, 80, 3), np.uint8)
    sections = [
        Section('Words', 'A text. ' * 30, tables=[words, numbers, folded], remarks=['/a/long/path' * 20]),
        Section('Pictures', '', pictures=[chart(lambda axis: axis.plot([1, 2]), 'a chart' * 30),
                                          photograph(pixels, 'wide', wide=True), photograph(pixels, 'small')]),
        Section('Dense', '', pictures=[photograph(pixels, 'folder/name' * 9)] * 7)]
    return render('a-run-with-a-very-long-name-that-says-all-of-its-settings_20260101, another', sections)


@pytest.fixture
def browse(tmp_path):
    """Return a function that opens a page in a window of this size.

    Returns the width of its content and of its window, what it fetched, and what the console says.
    """
    def run(page, width, height):
        (tmp_path / 'page.html').write_text(FRAME.format(width=width, height=height, page=html.escape(page)))
        done = subprocess.run([CHROMIUM, *FLAGS, f'--user-data-dir={tmp_path / "profile"}',
                               f'file://{tmp_path / "page.html"}'], capture_output=True, text=True, timeout=120)
        content, window, *fetched = re.search('<title>(.*?)</title>', done.stdout)[1].split()
        return int(content), int(window), fetched, re.findall('CONSOLE.*', done.stderr)
    return run


@pytest.mark.parametrize(('width', 'height'), [(1280, 800), (390, 844)], ids=['laptop', 'phone'])
def test_nothing_fails_and_nothing_is_wider_than_the_window(browse, page, width, height):
    content, window, fetched, console = browse(page, width, height)
    assert width - 20 <= content == window <= width  # a scroll bar takes the rest
    assert (fetched, console) == ([], [])


def test_what_would_be_loaded_or_too_wide_would_be_seen(browse, page):
    broken = ('<script src="https://example.org/x.js"></script><script>nothing()</script>'
              '<div style="width: 2000px">-</div><footer>')
    content, window, fetched, console = browse(page.replace('<footer>', broken), 390, 844)
    assert content > 390 >= window and fetched == ['https://example.org/x.js']
    assert len(console) == 1 and 'nothing is not defined' in console[0]
