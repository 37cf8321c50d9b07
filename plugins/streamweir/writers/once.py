"""Writing once, although a step may be begun by one process and ended by the next.

What a step writes follows from the rows that it takes and from what is decided while it is worked on: how
many rows it takes, what the wall clock says, whether a rest is written. The decisions come first, in the
stage's *intent*, and whoever works on the step again obeys them: so it makes the same objects, and each of
them is created, never replaced. The step's commit record follows its last object.
"""

import json
from collections.abc import Mapping
from typing import Any

from streamweir.contracts.formats import stored_format
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.errors import BadConfiguration, StreamHeld
from streamweir.objectstore import ObjectStore, to_json

FORMAT = 1

Decisions = Mapping[str, Any]
"""What was decided for a step, in JSON's types."""


class Intent:
    """A stage's decisions for one step: one object, which the next step replaces by compare-and-set.

    So of two processes only one begins a step, and nothing grows with the stream's age. Raises
    BadConfiguration for an intent of a format that is not known.
    """

    def __init__(self, store: ObjectStore, stream: Stream) -> None:
        self._store, self._stream = store, stream
        self._step, self._decisions, self._etag = -1, dict[str, Any](), ""
        if found := store.get_with_etag(stream.intent):
            content = json.loads(found[0])
            stored_format(content, FORMAT, str(stream.intent), "take another stream id")
            self._step, self._decisions, self._etag = content["step"], content["decisions"], found[1]

    @property
    def known(self) -> int | None:
        """A step that was committed, as late a one as the intent tells; None before the first."""
        return self._step - 1 if self._step > 0 else None

    def of(self, step: int) -> Decisions | None:
        """What was decided for the step, by whichever process; None when nothing was.

        Raises BadConfiguration when a later step was begun: the stage does not stand where it was.
        """
        if self._step > step:
            raise BadConfiguration(
                f"{self._stream.intent} is of step {self._step}, but {self._stream} would go on with step "
                f"{step}: put the commit records back, or take another stream id"
            )
        return self._decisions if self._step == step else None

    def fix(self, step: int, decisions: Decisions) -> None:
        """Decide. Nothing happens when the same was decided before.

        Raises StreamHeld when another process has begun the step, and BadConfiguration when this one, or one
        before it, has decided otherwise.
        """
        data = to_json({"format": FORMAT, "step": step, "decisions": decisions})
        written = json.loads(data)["decisions"]
        before = self.of(step)
        if before is None:
            self._etag = self._put(step, data)
            self._step, self._decisions = step, written
        elif before != written:
            other = next(
                name for name in sorted({*before, *written}) if before.get(name) != written.get(name)
            )
            raise BadConfiguration(
                f"step {step} of {self._stream} was begun with {other} {before.get(other)!r:.300} and would "
                f"now be {written.get(other)!r:.300}: let the version of the code that began it end it"
            )

    def _put(self, step: int, data: bytes) -> str:
        key = self._stream.intent
        put = self._store.put_if_match(key, data, self._etag) if self._etag else None
        etag = put if self._etag else self._store.put_if_absent(key, data)
        if etag is None:
            raise StreamHeld(f"step {step} of {self._stream} was begun by another process")
        return etag


def create(store: ObjectStore, key: ObjectKey, data: bytes) -> None:
    """Create an object. Nothing happens when it is there with the same bytes: an earlier attempt left it.

    Raises BadConfiguration when it is there with others.
    """
    if store.put_if_absent(key, data) is None and store.get(key) != data:
        raise BadConfiguration(
            f"{key} is there with other content than what is to be written: find out who else writes there, "
            "move it away and start the stage again, which writes it anew"
        )
