"""Where a rejected record lies: `transactions/2/1403/17`."""

from typing import NamedTuple

from streamweir.errors import BadConfiguration

WHOLE = -1
"""The row of a record that is a whole message."""


class Place(NamedTuple):
    """Short topic name, partition, offset, and the row in the message or WHOLE."""

    topic: str
    partition: int
    offset: int
    row: int

    @classmethod
    def parse(cls, text: str) -> "Place":
        """The place that `str` wrote; raises BadConfiguration for what is none."""
        topic, *numbers = text.split("/")
        if not topic or len(numbers) not in (2, 3) or not all(number.isdecimal() for number in numbers):
            raise BadConfiguration(
                f"{text!r} is not a place: take topic/partition/offset/row, like transactions/2/1403/17, "
                "or topic/partition/offset for a whole message"
            )
        partition, offset, *row = map(int, numbers)
        return cls(topic, partition, offset, *row or [WHOLE])

    def __str__(self) -> str:
        message = f"{self.topic}/{self.partition}/{self.offset}"
        return message if self.row == WHOLE else f"{message}/{self.row}"
