from streamlit import config

from dashboard.serve import settings


def test_the_server_listens_on_the_loopback_address_alone():
    options = settings()
    assert options["server.address"] == "127.0.0.1"
    assert options["server.allowedHosts"] == ["127.0.0.1", "localhost"]
    assert options["browser.gatherUsageStats"] is False
    assert options["server.enableStaticServing"] is False


def test_every_option_is_one_that_streamlit_knows():
    assert set(settings(8501)) <= set(config._config_options_template)


def test_a_port_is_only_fixed_when_one_is_asked_for():
    assert "server.port" not in settings()
    assert settings(0)["server.port"] == 0


def test_both_themes_are_our_own():
    options = settings()
    light = {key.removeprefix("theme.light.") for key in options if key.startswith("theme.light.")}
    dark = {key.removeprefix("theme.dark.") for key in options if key.startswith("theme.dark.")}
    assert light == dark
    assert {"primaryColor", "backgroundColor", "textColor", "sidebar.backgroundColor"} <= light


def test_streamlit_run_finds_the_server_in_app_py():
    from streamlit.web.server.app_discovery import discover_asgi_app

    from dashboard.serve import HERE

    assert discover_asgi_app(HERE / "app.py").import_string == "app:app"
