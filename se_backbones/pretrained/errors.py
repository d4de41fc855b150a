"""Errors of loading, from a checkpoint's name to its tensors."""


class WeightsError(RuntimeError):
    """Weights cannot be found, downloaded or read."""


class DownloadError(WeightsError):
    """No mirror gave the file that was asked for, or the cache could not take it."""


class CheckpointError(WeightsError):
    """A file is not a checkpoint, is damaged, or would have to run code to be read."""


class LayoutError(WeightsError):
    """The tensors of a checkpoint are not those of the network that it is said to hold."""
