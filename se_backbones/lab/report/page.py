"""From runs to a page."""

from collections.abc import Sequence
from pathlib import Path

import jinja2

from se_backbones.lab.analysis.subject import Progress, silent
from se_backbones.lab.report import MOST_IMAGES, sections
from se_backbones.lab.report.parts import Section
from se_backbones.lab.report.runs import Run
from se_backbones.utils import atomic
from se_backbones.version import __version__

GENERATOR = 'se_backbones.lab.report'


def write_report(runs: Sequence[Run], file: str | Path, device: str = 'cpu', max_images: int | None = MOST_IMAGES,
                 progress: Progress = silent) -> Path:
    """Write one HTML page that needs no network and no other file, and return it.

    What needs weights or data that are not there is left out, and the page says why.

    Args:
        runs: At least one, with labels of their own.
        file: The page to write.
        device: On which the networks run.
        max_images: How many test images gates and selectivity are read from; None: all.
        progress: Shows the progress, as ``rich.progress.track`` does.

    Raises:
        ValueError: There is no run, two have the same label, or ``file`` is something else than an earlier report.
    """
    labels = [run.label for run in runs]
    if not labels or len(set(labels)) < len(labels):
        raise ValueError(f'A report needs runs with labels of their own, got {", ".join(labels) or "none"}.')
    _check_is_no_other_file(Path(file))
    subjects, remarks = sections.open_subjects(runs, device, max_images)
    first = sections.overview(runs)
    first.remarks += [f'{remark} Gates, selectivity and predictions are left out.' for remark in remarks]
    made = [
        first, sections.config_differences(runs), sections.metrics(runs), sections.curves(runs),
        sections.costs(runs, subjects), sections.gates(runs, subjects, progress),
        sections.class_selectivity(subjects, progress), sections.predictions(runs, subjects, device)]
    page = render(', '.join(labels), [section for section in made if section and _has_content(section)])
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(file, page)
    return Path(file)


def _check_is_no_other_file(file: Path) -> None:
    if file.is_dir() or file.exists() and GENERATOR.encode() not in file.read_bytes()[:2000]:
        raise ValueError(f'{file} exists and is no report; it is left as it is. Choose another name.')


def _has_content(section: Section) -> bool:
    return bool(section.tables or section.pictures or section.remarks)


def render(title: str, made: Sequence[Section]) -> str:
    """Return the page of these sections; all text is escaped."""
    folder = Path(__file__).parent
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(folder), autoescape=True, trim_blocks=True,
                                     lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    return environment.get_template('template.html').render(title=title, sections=made, version=__version__,
                                                              generator=GENERATOR)
