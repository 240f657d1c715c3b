"""Who may talk to the dashboard: this machine's browser, on this very page, and nobody else.

Any web page can send requests to localhost, and whoever can drive the dashboard can start programs. So a request must
be addressed to a loopback name (a page that rebinds its DNS name is not), and what a browser marks with an Origin must
come from this host and port. Streamlit itself compares host names only, which lets other local ports in.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PLOTLY_URL = "/vendor/plotly.min.js"
REFUSED = "This request does not come from a GRPO Lab page on this machine. Open the address that the server printed."

# Streamlit needs inline scripts, eval and blob modules. Nothing comes from, or goes to, another host.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "frame-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
# The browser fetches plotly.js while Streamlit starts, where charts are what one sees first.
_CHART_PAGES = ("/run", "/compare")
_PLOTLY_AHEAD = (b"link", f"<{PLOTLY_URL}>; rel=preload; as=script".encode())


def refusal(headers: Mapping[str, str], *, origin_required: bool = True) -> str | None:
    """Why a request with these headers is refused, or None. Headers without a Host come from no network: a test."""
    host = headers.get("Host")
    if host is None:
        return None
    origin = headers.get("Origin")
    if not is_loopback(host) or (origin is None and origin_required):
        return REFUSED
    return REFUSED if origin is not None and origin != f"http://{host}" else None


def is_loopback(host: str) -> bool:
    """Whether a Host header, with or without a port, names this machine by a loopback name."""
    try:
        parts = urlsplit(f"//{host}")
        return parts.hostname in LOOPBACK and parts.netloc == host and parts.username is None and parts.port != 0
    except ValueError:
        return False


class Guard:
    """ASGI middleware: refuses foreign requests, and gives every answer the security headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").title(): value.decode("latin-1") for name, value in scope["headers"]}
        # Browsers send an Origin with every WebSocket handshake, but not with a plain page load.
        if refusal({"Host": "", **headers}, origin_required=scope["type"] == "websocket"):
            await _refuse(scope, receive, send)
            return
        await self.app(scope, receive, _with_headers(send, _headers_of(scope["path"])))


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": "foreign origin"})
    else:
        await PlainTextResponse(REFUSED, status_code=403)(scope, receive, send)


def _headers_of(path: str) -> tuple[tuple[bytes, bytes], ...]:
    """What is added to the headers of every answer to a request for `path`."""
    return (*HEADERS, _PLOTLY_AHEAD) if path in _CHART_PAGES else HEADERS


def _with_headers(send: Send, headers: tuple[tuple[bytes, bytes], ...]) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *headers]
        await send(message)

    return send_with_headers


def middleware() -> list[Middleware]:
    return [Middleware(Guard)]


def routes() -> list[BaseRoute]:
    """plotly.js, from the installed plotly package."""
    return [Mount("/vendor", StaticFiles(packages=[("plotly", "package_data")]))]
