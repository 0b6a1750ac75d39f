"""What the daemon says to its log, which people read on terminals."""

import logging

from profiles.text.clean import clean


class CleanFormatter(logging.Formatter):
    """Paths, errors and names reach a log as they were sent; nothing in them moves a cursor."""

    def format(self, record: logging.LogRecord) -> str:
        return clean(super().format(record))
