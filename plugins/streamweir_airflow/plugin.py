"""What Airflow is given beside the DAGs: pages of its api-server, and links to them at each task."""

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from streamweir_airflow.addresses import PREFIX


class StreamweirPlugin(AirflowPlugin):
    """Found by its entry point (pyproject.toml). Every process of Airflow loads it: it imports when asked."""

    name = "streamweir"

    @property
    def fastapi_apps(self) -> list[Any]:  # type: ignore[override]
        """The pages; only the api-server asks for them."""
        from streamweir_airflow.pages.app import app

        return [{"app": app, "url_prefix": PREFIX, "name": "Streamweir"}]

    @property
    def operator_extra_links(self) -> list[Any]:  # type: ignore[override]
        """The links of each task."""
        from streamweir_airflow.links import links

        return links()

    @property
    def external_views(self) -> list[Any]:  # type: ignore[override]
        """Where Airflow's own pages show these; without a slash in front: below whatever path Airflow has."""
        here = PREFIX.removeprefix("/")
        return [
            {"name": "Streams", "href": f"{here}/streams", "url_route": "streams", "destination": "nav"},
            {
                "name": "Streamweir",
                "href": f"{here}/dags/{{DAG_ID}}",
                "url_route": "streamweir_runs",
                "destination": "dag",
            },
            {
                "name": "Streamweir",
                "href": f"{here}/dags/{{DAG_ID}}/runs/{{RUN_ID}}",
                "url_route": "streamweir_run",
                "destination": "dag_run",
            },
        ]
