"""What all operators share: an attempt, a record of it, and errors that Airflow understands."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from airflow.sdk import Asset, BaseOperator, Context

from streamweir.contracts.streams import ObjectKey
from streamweir.errors import Retryable, StreamweirError
from streamweir_airflow.assets import tell, teller
from streamweir_airflow.attempt import FAILED, SUCCESS, Attempt, as_airflow

Result = dict[str, Any]


class StreamweirOperator(BaseOperator):
    """A task of a pipeline: `work` is given the attempt; what it returns goes to the record and to XCom.

    in_bundle: whether the task belongs to a replay, in whose bundle its record then lies. makes: the asset
    of which it tells what is `news`.
    """

    def __init__(
        self,
        *,
        pipeline: str = "",
        in_bundle: bool = True,
        makes: Asset | None = None,
        inlets: Sequence[Asset] = (),
        **kwargs: Any,
    ) -> None:
        made = [makes] if makes else []
        ports: dict[str, Any] = {"inlets": [*inlets, *made], "outlets": [teller(asset) for asset in made]}
        # Every value of the result is an XCom of its own: later tasks name just the one they need.
        super().__init__(multiple_outputs=True, **ports, **kwargs)
        self.makes = makes
        self.pipeline = pipeline
        self.in_bundle = in_bundle

    def result(self, name: str) -> Any:
        """One value of what this task will return, as an argument of a later task."""
        # XComArg's own type does not say that the plain ones can be indexed.
        return self.output[name]  # type: ignore[index]

    @abstractmethod
    def work(self, attempt: Attempt) -> Result:
        """Do the task; a deferring operator raises TaskDeferred from here."""

    def result_key(self, attempt: Attempt, result: Result) -> ObjectKey | None:
        """Where the task's result lies, for the last line of its log; None for one that leaves nothing."""
        return None

    def news(self, attempt: Attempt, result: Result) -> Result | None:
        """What there is to tell of the asset that the task makes, as JSON; None where there is nothing."""
        return None

    def execute(self, context: Context) -> Result:
        """Airflow's entry."""
        return self.recorded(context, self.work)

    def recorded(self, context: Context, work: Callable[[Attempt], Result]) -> Result:
        """Run `work` and leave a task record, whatever comes of it, unless the task is deferred."""
        try:
            attempt = self.attempt(context)
        except StreamweirError as error:
            raise as_airflow(error) from error
        try:
            result = work(attempt)
            if self.in_bundle:
                attempt.record(SUCCESS, result=result)
            if self.makes and (news := self.news(attempt, result)):
                tell(context, self.makes, news)
            if key := self.result_key(attempt, result):
                self.log.info("the result lies at %s", attempt.address(key))
        except StreamweirError as error:
            self.log.error("%s", error)
            self._record_failure(attempt, str(error))
            raise as_airflow(error) from error
        except Exception as error:
            self._record_failure(attempt, f"{type(error).__name__}: {error}")
            raise
        return result

    def attempt(self, context: Context) -> Attempt:
        """This try, as Airflow's context describes it."""
        return Attempt.of(self.pipeline, context)

    def _record_failure(self, attempt: Attempt, sentence: str) -> None:
        if not self.in_bundle:
            return
        try:
            attempt.record(FAILED, error=sentence)
        except Retryable as error:
            # The failure itself is what the operator must see, not that it could not be written down.
            self.log.warning("the task record could not be written: %s", error)
