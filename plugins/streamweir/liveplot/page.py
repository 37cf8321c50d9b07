"""The local live page: a folder with the picture and a page that loads it again every second."""

import html
import os
import tempfile
from pathlib import Path

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 15px system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; color: #1c2530 }}
img {{ width: 100% }}
</style>
</head><body><h1>{title}</h1><p>Run {run}. The picture is loaded again every second.</p>
<img id="plot" src="{image}" alt="{title}">
<script>
const plot = document.getElementById("plot");
setInterval(() => {{ plot.src = "{image}?" + Date.now(); }}, 1000);
</script></body></html>
"""


class LivePage:
    """A folder whose index.html shows the newest picture; None as the folder means no page."""

    def __init__(self, folder: Path | None, name: str, title: str, run: str) -> None:
        self._folder, self._image = folder, f"{name}.png"
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            page = _PAGE.format(
                title=html.escape(title), run=html.escape(run), image=html.escape(self._image)
            )
            (folder / "index.html").write_text(page, encoding="utf-8")

    def show(self, image: bytes) -> None:
        """Replace the picture; a browser never sees half of one."""
        if self._folder is None:
            return
        with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
            file.write(image)
        os.replace(file.name, self._folder / self._image)
        (self._folder / self._image).chmod(0o644)
