"""The app that Airflow's api-server mounts. It describes no routes, and asks on each who may open it."""

from fastapi import FastAPI, HTTPException, Request, Response, status
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import PlainTextResponse

from streamweir.errors import StreamweirError
from streamweir_airflow.pages import comparing, files, run, runs, stopping, streams, tables
from streamweir_airflow.pages.files import SANDBOXED
from streamweir_airflow.pages.rendering import page

app = FastAPI(title="Streamweir", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
for router in (
    streams.router,
    streams.of_a_dag,
    stopping.router,
    runs.router,
    comparing.router,
    run.router,
    tables.router,
    files.router,
):
    app.include_router(router)


@app.exception_handler(StreamweirError)
def refused(request: Request, error: Exception) -> Response:
    """The object store is away or refuses, or the run's stream has a name that can be none's."""
    if _is_browser(request):
        return _sentence(str(error), status.HTTP_503_SERVICE_UNAVAILABLE)
    return PlainTextResponse(str(error), status.HTTP_503_SERVICE_UNAVAILABLE, SANDBOXED)


@app.exception_handler(HTTPException)
async def answered(request: Request, error: HTTPException) -> Response:
    """A browser is told in a page, a program in JSON."""
    if _is_browser(request):
        return _sentence(error.detail, error.status_code)
    return await http_exception_handler(request, error)


def _is_browser(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _sentence(said: str, code: int) -> Response:
    return page("sentence.html.j2", {"title": "Streamweir", "links": [], "says": said}, code=code)
