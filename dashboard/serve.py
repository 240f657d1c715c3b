"""Starting the dashboard's server: on the loopback address, with the settings of .streamlit/config.toml.

`python -m dashboard` is the command for it. The engine knows nothing of this module.
"""

import os
import tomllib
import webbrowser
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit import config as streamlit_config

from dashboard import security

HERE = Path(__file__).parent
SETTINGS = HERE / ".streamlit" / "config.toml"


def serve(port: int | None, runs_root: Path, open_page: str | None, open_browser: bool) -> None:
    """Serve the dashboard until it is interrupted.

    port: None takes the first free one from 8501 on; 0 any free one. open_page: where the browser starts, such as
    "run?run=<id>"; None is the list of runs. Runs that are going on are not touched when this ends.
    """
    os.environ["GRPO_LAB_RUNS"] = str(runs_root.absolute())
    app = st.App(
        HERE / "app.py",
        routes=security.routes(),
        middleware=security.middleware(),
        lifespan=_announcing(open_page or "", open_browser),
    )
    app.run(config=settings(port))


def settings(port: int | None = None) -> dict[str, Any]:
    """Streamlit's options by their dotted names, from our config.toml; a port only when one is given."""
    with SETTINGS.open("rb") as file:
        options = _flatten(tomllib.load(file))
    options["logger.hideWelcomeMessage"] = True  # `_announcing` prints the address of the page to open instead
    if port is not None:
        options["server.port"] = port
    return options


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _announcing(page: str, open_browser: bool) -> Any:
    @asynccontextmanager
    async def lifespan(app: st.App) -> AsyncIterator[dict[str, Any]]:
        # The socket listens already; a browser that connects now is answered as soon as start-up is done.
        url = f"http://127.0.0.1:{streamlit_config.get_option('server.port')}/{page}"
        print(f"GRPO Lab: {url}\nCtrl-C ends the dashboard; runs go on.", flush=True)
        if open_browser:
            webbrowser.open(url)
        yield {}

    return lifespan
