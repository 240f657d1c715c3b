"""Models of the Hub, against a client that answers from memory and counts what it is asked."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import ModelError
from engine.models.catalog import cached_snapshot
from engine.models.load import load_tokenizer, local_folder

HUB_ID = "org/tiny"


class FakeHub:
    """Holds one repository; a download copies its wanted files to where huggingface_hub keeps them."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.repository = home / "hub" / "models--org--tiny"
        self.folder = folder
        self.error: Exception | None = None
        self.asked: list[str] = []
        self.wanted: list[str] = []

    def list_repo_files(self, hub_id: str) -> list[str]:
        self.asked.append(hub_id)
        if self.error:
            raise self.error
        return [path.name for path in self.folder.iterdir()] + ["original/model.safetensors"]

    def snapshot_download(self, hub_id: str, *, allow_patterns: list[str], ignore_patterns: list[str]) -> str:
        assert ignore_patterns == ["*/*"]
        self.asked.append(hub_id)
        self.wanted = sorted(allow_patterns)
        snapshot = self.repository / "snapshots" / "abc"
        snapshot.mkdir(parents=True)
        (self.repository / "refs").mkdir()
        (self.repository / "refs" / "main").write_text("abc")
        for name in allow_patterns:
            shutil.copy(self.folder / name, snapshot / name)
        return str(snapshot)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model_folder: Path) -> FakeHub:
    fake = FakeHub(tmp_path / "hf", model_folder)
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: SimpleNamespace(list_repo_files=fake.list_repo_files))
    monkeypatch.setattr("huggingface_hub.snapshot_download", fake.snapshot_download)
    return fake


def http_error(kind: str) -> Exception:
    import httpx2
    from huggingface_hub import errors

    response: Any = httpx2.Response(404, request=httpx2.Request("GET", "http://localhost/"))
    error: Exception = getattr(errors, kind)("refused", response=response)
    return error


def refusal() -> str:
    with pytest.raises(ModelError) as error:
        local_folder(HUB_ID)
    return str(error.value)


def test_a_named_model_is_downloaded_once_and_then_found_on_disk(hub: FakeHub) -> None:
    assert load_tokenizer(HUB_ID).encode("1") == [3]
    assert hub.asked == [HUB_ID, HUB_ID]  # its files, then the download
    assert local_folder(HUB_ID) == cached_snapshot(HUB_ID)
    assert hub.asked == [HUB_ID, HUB_ID]


def test_only_files_that_can_be_loaded_are_fetched(hub: FakeHub) -> None:
    for name in ("pytorch_model.bin", "modeling.py", "notes.md", "README.md"):
        (hub.folder / name).write_text("")
    local_folder(HUB_ID)
    assert hub.wanted == [
        *("README.md", "config.json", "generation_config.json", "model.safetensors"),
        *("tokenizer.json", "tokenizer_config.json"),
    ]


def test_offline_nothing_is_asked(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "is not on this machine, and HF_HUB_OFFLINE forbids to download it" in refusal()
    assert hub.asked == []


def test_a_cut_off_download_is_taken_up_again(hub: FakeHub) -> None:
    local_folder(HUB_ID)
    snapshot = cached_snapshot(HUB_ID)
    assert snapshot is not None
    (snapshot / "model.safetensors").unlink()
    shutil.rmtree(hub.repository / "refs")
    shutil.move(snapshot, snapshot.with_name("older"))
    assert (local_folder(HUB_ID) / "model.safetensors").is_file()
    assert len(hub.asked) == 4


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("GatedRepoError", "org/tiny is gated: its owner must grant access first."),
        ("RepositoryNotFoundError", "There is no model org/tiny on the Hub, or it is private."),
        ("HfHubHTTPError", "org/tiny could not be downloaded: refused"),
    ],
)
def test_a_refusal_of_the_hub_becomes_a_sentence(hub: FakeHub, kind: str, sentence: str) -> None:
    hub.error = http_error(kind)
    assert sentence in refusal()


@pytest.mark.parametrize("error", [ConnectionError("no route"), TimeoutError("too slow"), RuntimeError("odd")])
def test_a_broken_connection_becomes_a_sentence(hub: FakeHub, error: Exception) -> None:
    hub.error = error
    assert f"could not be downloaded: {error}. Check the connection" in refusal()


def test_pickle_only_weights_are_never_downloaded(hub: FakeHub) -> None:
    (hub.folder / "model.safetensors").rename(hub.folder / "pytorch_model.bin")
    assert "only as pickle (pytorch_model.bin)" in refusal()
    assert len(hub.asked) == 1


def test_a_repository_without_weights_is_refused(hub: FakeHub) -> None:
    (hub.folder / "model.safetensors").unlink()
    assert "holds no weights as safetensors" in refusal()
    assert len(hub.asked) == 1


def test_a_downloaded_folder_is_checked_like_a_local_one(hub: FakeHub) -> None:
    (hub.folder / "config.json").write_text("[]")
    assert "config.json cannot be used" in refusal()
