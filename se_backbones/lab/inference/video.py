"""Videos: frames to predict on, and a video of drawn ones."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import mmcv
import numpy as np

from se_backbones.lab.inference.prediction import Frame
from se_backbones.utils import atomic
from se_backbones.utils.extras import need

# What the OpenCV of the set-up can write without other programs.
CODECS = {'.mp4': 'mp4v', '.avi': 'MJPG'}
SUFFIXES = (*CODECS, '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg')


def is_video(file: str | Path) -> bool:
    """Return whether a file name looks like a video's."""
    return Path(file).suffix.lower() in SUFFIXES


def open_video(file: str | Path) -> mmcv.VideoReader:
    """Open a video, which knows its length (``len``) and its ``fps``.

    Raises:
        ValueError: It cannot be read.
    """
    reader = mmcv.VideoReader(str(file))
    if not reader.opened or len(reader) < 1:
        raise ValueError(f'{file} cannot be read as a video.')
    return reader


def frames_of(file: str | Path) -> Iterator[Frame]:
    """Yield the frames of a video; they are named ``<video>_000000``, ``<video>_000001``, ...

    Raises:
        ValueError: It cannot be read.
    """
    for number, pixels in enumerate(open_video(file)):
        if pixels is not None:  # what a damaged end reads as
            yield Frame(f'{Path(file).stem}_{number:06d}', pixels)


@contextmanager
def drawn_video(path: str | Path, fps: float) -> Iterator[Callable[[np.ndarray], None]]:
    """Yield a function that adds a picture, ``(H, W, 3)`` uint8, RGB, to a video.

    All get the height of the first, at the bottom, where a legend may be longer or shorter. The video is there when all
    went well, and not at all otherwise.

    Args:
        path: A new file, ``.mp4`` or ``.avi``; its folder is made.
        fps: Frames in a second.

    Raises:
        FileExistsError: The file exists.
        ValueError: It has another suffix, or no picture.
        RuntimeError: OpenCV cannot write it.
        ImportError: supervision is missing.
    """
    path = Path(path)
    if path.suffix.lower() not in CODECS:
        raise ValueError(f'{path} must end in {" or ".join(CODECS)}.')
    need('Videos', 'viz', 'supervision')
    import supervision as sv
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic.writing(path, new=True, suffix=path.suffix) as part:
        sink, height, frames = None, 0, 0
        with ExitStack() as stack:
            def add(picture: np.ndarray) -> None:
                nonlocal sink, height, frames
                if sink is None:
                    height = picture.shape[0]
                    info = sv.VideoInfo(picture.shape[1], picture.shape[0], fps)
                    sink = stack.enter_context(sv.VideoSink(str(part), info, CODECS[path.suffix.lower()]))
                below = np.full((max(0, height - len(picture)), *picture.shape[1:]), 255, np.uint8)
                sink.write_frame(np.ascontiguousarray(np.vstack([picture[:height], below])[..., ::-1]))
                frames += 1
            yield add
        if not frames:
            raise ValueError(f'{path} would have no frames.')
        if len(mmcv.VideoReader(str(part))) < frames:  # OpenCV says nothing of a full disk
            raise OSError(f'{path} could not be written; its disk may be full.')
