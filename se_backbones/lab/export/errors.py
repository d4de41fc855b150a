"""The error of the export."""


class ExportError(ValueError):
    """What is asked for cannot be exported; the message says why, and what to do instead."""
