"""The numbers on the first screen are those of the manifest and of the benchmark's file; the papers are cited."""

import json
import re
from pathlib import Path

import yaml

from se_backbones.pretrained.manifest import manifest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / 'README.md').read_text()


def rows(first: str) -> list[list[str]]:
    """Return the cells of the table whose head has this word, without emphasis and quotes."""
    lines = README.split(f'| {first} |')[1].split('\n\n')[0].splitlines()[2:]
    return [[cell.strip(' *`') for cell in line.strip('|').split('|')] for line in lines]


def test_weights_have_the_accuracy_and_size_of_the_manifest():
    found = rows('top-1 on ImageNet | px | MB')
    assert len(found) > 5 and f'{len(manifest())} in all' in README
    for name, *numbers in found:
        weights = manifest()[name.split('`')[0]]
        assert numbers == [f'{weights.top1:.2f}', str(weights.crop), str(weights.megabytes)]


def test_time_and_memory_are_those_of_the_benchmark():
    runs = {run['setting']['layout']: run['networks']
            for run in json.loads((ROOT / 'docs/benchmarks/cpu_training.json').read_text())['runs']}
    found = rows('time, NCHW | time, channels_last | memory kept for backward')
    assert len(found) == 6
    for name, nchw, channels_last, saved in found:
        row = {layout: networks[name.removesuffix(' (detectors)')] for layout, networks in runs.items()}
        assert (nchw, channels_last, saved) == (f'{row["nchw"]["ratio"]:.2f}', f'{row["channels_last"]["ratio"]:.2f}',
                                                f'{row["nchw"]["saved_ratio"]:.2f}')


def test_both_papers_are_cited():
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    for paper in citation['references']:
        names = ' and '.join(f'{author["family-names"]}, {author["given-names"]}' for author in paper['authors'])
        assert f'title={{{paper["title"]}}}' in README and f'author={{{names}}}' in README
        assert re.fullmatch(r'https://arxiv\.org/abs/(1709\.01507|1810\.12348)', paper['url'])
    assert len(citation['references']) == 2
