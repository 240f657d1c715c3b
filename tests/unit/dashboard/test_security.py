from collections.abc import Mapping

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from dashboard.security import middleware, refusal, routes

HERE = "127.0.0.1:8501"


async def page(_request):
    return PlainTextResponse("page")


async def stream(socket: WebSocket):
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


@pytest.fixture
def client():
    app = Starlette(routes=[Route("/", page), WebSocketRoute("/stream", stream), *routes()], middleware=middleware())
    with TestClient(app, base_url=f"http://{HERE}") as client:
        yield client


def answer(client: TestClient, headers: Mapping[str, str]) -> int:
    return client.get("/", headers=dict(headers)).status_code


@pytest.mark.parametrize("host", [HERE, "localhost:9000", "localhost", "127.0.0.1", "[::1]:8501"])
def test_a_page_load_on_a_loopback_name_is_answered(client, host):
    assert answer(client, {"Host": host}) == 200


FOREIGN_HOSTS = (
    "evil.example",
    "evil.example:8501",
    "127.0.0.1.evil.example",
    "127.0.0.1@evil.example",
    "192.168.1.5:8501",
    "127.0.0.1:x",
    "",
)
FOREIGN_ORIGINS = (
    "http://evil.example",
    "http://127.0.0.1:8000",
    "http://localhost:8501",
    "https://127.0.0.1:8501",
    "null",
)


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_another_host_name_is_refused(client, host):
    assert answer(client, {"Host": host}) == 403


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_another_origin_is_refused_even_on_another_port_of_this_machine(client, origin):
    assert answer(client, {"Host": HERE, "Origin": origin}) == 403


def test_its_own_origin_is_welcome(client):
    assert answer(client, {"Host": HERE, "Origin": f"http://{HERE}"}) == 200


def test_a_websocket_from_its_own_page_opens(client):
    with client.websocket_connect("/stream", headers={"Host": HERE, "Origin": f"http://{HERE}"}) as socket:
        assert socket.receive_text() == "hello"


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://127.0.0.1:8000"}, {"Origin": "http://evil.example"}])
def test_a_websocket_of_anybody_else_does_not(client, headers):
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        client.websocket_connect("/stream", headers={"Host": HERE, **headers}),
    ):
        pass
    assert refused.value.code == 1008


def test_every_answer_forbids_what_the_page_does_not_need(client):
    headers = client.get("/").headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "http" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_plotly_comes_from_this_server(client):
    answer = client.get("/vendor/plotly.min.js")
    assert answer.status_code == 200
    assert "plotly.js" in answer.text[:200]


def test_plotly_is_fetched_ahead_where_charts_come_first(client):
    ahead = {path: client.get(path).headers.get("link") for path in ("/run", "/compare", "/groups", "/")}
    script = "</vendor/plotly.min.js>; rel=preload; as=script"
    assert ahead == {"/run": script, "/compare": script, "/groups": None, "/": None}


def test_nothing_beside_the_vendor_folder_can_be_fetched(client):
    assert client.get("/vendor/..%2f__init__.py").status_code == 404


def test_the_script_itself_asks_for_the_origin_too():
    assert refusal({}) is None  # no network: a test
    assert refusal({"Host": HERE, "Origin": f"http://{HERE}"}) is None
    assert refusal({"Host": HERE})
    assert refusal({"Host": "evil.example", "Origin": "http://evil.example"})
