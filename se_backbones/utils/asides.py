"""What the hosts say of themselves, and nobody can act on."""

import logging
import re


class WithoutAsides(logging.Filter):
    """Drops what the hosts warn of in their own code, which no config can change."""

    TEXTS = re.compile(r'"FileClient" will be deprecated|"HardDiskBackend" is the alias|'
                       r'Failed to search registry with scope "\w+" in the "function" registry|'
                       r'The prefix is not set in metric class IoUMetric')

    def filter(self, record: logging.LogRecord) -> bool:
        return not self.TEXTS.match(record.getMessage())
