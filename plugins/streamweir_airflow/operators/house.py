"""What the house does for all pipelines."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from airflow.sdk import BaseOperator, Context

from streamweir.errors import StreamweirError
from streamweir_airflow.attempt import as_airflow
from streamweir_airflow.hooks import KafkaHook, StoreHook
from streamweir_airflow.limits import days_of


class RetireStreams(BaseOperator):
    """Deletes isolated streams whose run ended long enough ago, and records of the others' past runs."""

    def execute(self, context: Context) -> list[str]:
        """Airflow's entry; returns the streams that are gone, and sentences on records."""
        try:
            return list(self._retired(days_of(self, context)))
        except StreamweirError as error:
            raise as_airflow(error) from error

    def _retired(self, keep: timedelta) -> Iterator[str]:
        from streamweir.contracts.pipelines import pipeline_names, stages_of
        from streamweir.purge import purge
        from streamweir.retention import retire, streams
        from streamweir.scorer.launch import log_folder
        from streamweir.work import work_folder

        kafka, store, now = KafkaHook().connection, StoreHook().store, datetime.now(UTC)
        for pipeline in pipeline_names():
            for stream in retire(kafka, store, pipeline, now, keep):
                self.log.info("retired %s", stream)
                for stage in stages_of(stream):
                    shutil.rmtree(log_folder(work_folder(), stage), ignore_errors=True)
                yield str(stream)
            for stream in streams(store, pipeline):
                for sentence in purge(kafka, store, stream, now, keep):
                    self.log.info(sentence)
                    yield sentence
