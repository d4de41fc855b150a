"""Execute the notebook of the documentation; any cell that fails is an error.

    python docs/notebook.py              # into build/tutorial.ipynb
    python docs/notebook.py --save       # into docs/tutorial.ipynb, with its new pictures
"""

import argparse
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

SOURCE = Path(__file__).resolve().with_name('tutorial.ipynb')
SECONDS = 180


def execute(source: Path = SOURCE) -> nbformat.NotebookNode:
    """Return the notebook with fresh outputs, run in an empty folder by the Python that runs this.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell failed.
        nbclient.exceptions.CellTimeoutError: A cell took longer than the whole may.
    """
    notebook = nbformat.read(source, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(notebook, timeout=SECONDS, kernel_name='python3', record_timing=False,
                       resources=dict(metadata=dict(path=folder))).execute()
    for cell in notebook.cells:  # what libraries warn of, by the paths of this machine
        if 'outputs' in cell:
            cell.outputs = [output for output in cell.outputs if output.get('name') != 'stderr']
    return notebook


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--save', action='store_true', help='write over docs/tutorial.ipynb')
    target = SOURCE if parser.parse_args(argv).save else SOURCE.parent.parent / 'build' / SOURCE.name
    start = time.monotonic()
    notebook = execute()
    target.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, target)
    print(f'{target}: executed in {time.monotonic() - start:.0f} s, {target.stat().st_size / 1000:.0f} kB')


if __name__ == '__main__':
    main()
