"""Data sets of the Hub, against a client that answers from memory and counts what it is asked."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.config import DataConfig
from engine.data import hub as hub_module
from engine.data.examples import open_dataset
from engine.data.hub import CONVERTED
from engine.errors import DatasetError

NAME = "org/sums"
ROWS = "".join(json.dumps({"question": f"{i}+1?", "answer": i + 1}) + "\n" for i in range(9))


class FakeHub:
    """Holds versions of one repository; a download puts its files where huggingface_hub keeps them."""

    def __init__(self, home: Path) -> None:
        self.repository = home / "hub" / "datasets--org--sums"
        self.versions: dict[str, dict[str, str]] = {"main": {"train.jsonl": ROWS}}
        self.error: Exception | None = None
        self.asked: list[str] = []
        self.fetched: list[str] = []

    def dataset_info(self, name: str, *, revision: str, files_metadata: bool) -> Any:
        assert name == NAME and files_metadata
        self.asked.append(revision)
        if self.error:
            raise self.error
        if revision not in self.versions:
            raise http_error("RevisionNotFoundError")
        files = self.versions[revision].items()
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=n, size=len(text)) for n, text in files])

    def snapshot_download(self, name: str, *, repo_type: str, revision: str, allow_patterns: list[str]) -> str:
        assert (name, repo_type) == (NAME, "dataset")
        snapshot = self.repository / "snapshots" / f"commit-of-{revision.replace('/', '-')}"
        ref = self.repository / "refs" / revision
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(snapshot.name)
        for pattern in allow_patterns:
            self.fetched.append(pattern)
            (snapshot / pattern).parent.mkdir(parents=True, exist_ok=True)
            (snapshot / pattern).write_text(self.versions[revision][pattern])
        return str(snapshot)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeHub:
    fake = FakeHub(tmp_path / "hf")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: fake)
    monkeypatch.setattr("huggingface_hub.snapshot_download", fake.snapshot_download)
    return fake


def http_error(kind: str) -> Exception:
    import httpx2
    from huggingface_hub import errors

    response: Any = httpx2.Response(404, request=httpx2.Request("GET", "http://localhost/"))
    error: Exception = getattr(errors, kind)("refused", response=response)
    return error


def size(**settings: Any) -> int:
    data = open_dataset(DataConfig(**{"source": NAME, "held_out": 1, **settings}), 0)
    return (data.train_size or 0) + 1


def refusal(**settings: Any) -> str:
    with pytest.raises(DatasetError) as caught:
        size(**settings)
    return str(caught.value)


def test_a_named_data_set_is_downloaded_once_and_then_found_on_disk(hub: FakeHub) -> None:
    assert size() == 9 and hub.asked == ["main"] and hub.fetched == ["train.jsonl"]
    assert size() == 9 and hub.asked == ["main"]


def test_offline_the_cached_split_is_used_and_nothing_is_asked(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.versions["main"]["test.jsonl"] = ROWS
    size()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert size() == 9
    assert "has no split 'test'; what is there: train" in refusal(split="test")
    assert "The split 'train' of org/other is not on this machine, and HF_HUB_OFFLINE" in refusal(source="org/other")
    assert hub.asked == ["main"]


def test_only_the_files_of_the_split_are_fetched(hub: FakeHub) -> None:
    hub.versions["main"] |= {"test.jsonl": ROWS, "sums.py": "import os", "model.bin": "", "image.png": ""}
    hub.versions["main"] |= {"README.md": "# no card"}
    hub.versions[CONVERTED] = {}
    assert size(split="test") == 9 and hub.fetched == ["README.md", "test.jsonl"]


def test_the_card_says_which_files_a_subset_has(hub: FakeHub) -> None:
    card = (
        "---\nconfigs:\n- config_name: easy\n  data_files:\n  - split: train\n    path: e/*.jsonl\n"
        "- config_name: hard\n  data_files: h.jsonl\n---\n# Sums"
    )
    hub.versions["main"] = {"README.md": card, "e/one.jsonl": ROWS, "h.jsonl": ROWS * 2}
    assert "has several subsets: easy, hard" in refusal()
    assert size(subset="easy") == 9 and hub.fetched[-1] == "e/one.jsonl"
    assert size(subset="hard", drop_duplicates=True) == 9 and hub.fetched[-1] == "h.jsonl"


def test_a_data_set_made_by_a_script_is_read_as_the_hub_converted_it(hub: FakeHub) -> None:
    hub.versions["main"] = {"sums.py": "import os", "README.md": ""}
    assert "is made by a script, which is never run here" in refusal()
    hub.versions[CONVERTED] = {"main/train/0000.jsonl": ROWS, "socratic/train/0000.jsonl": ROWS}
    assert "has several subsets: main, socratic" in refusal()
    assert size(subset="main") == 9 and not any(name.endswith(".py") for name in hub.fetched)
    hub.asked.clear()
    assert size(subset="main") == 9 and hub.asked == []


def test_files_of_another_kind_are_refused(hub: FakeHub) -> None:
    hub.versions["main"] = {"pictures.tar": "", "data.arrow": ""}
    assert "has no files that can be read: JSONL, JSON, CSV, TSV or Parquet" in refusal()
    assert hub.fetched == []


def test_a_split_too_large_is_refused_before_it_is_fetched(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "MAX_BYTES", 100)
    assert f"The split 'train' of org/sums has {len(ROWS)} bytes, more than 100" in refusal() and hub.fetched == []


def test_a_cut_off_download_is_taken_up_again(hub: FakeHub) -> None:
    parts = {f"train-0000{i}-of-00002.jsonl": ROWS for i in range(2)}
    hub.versions["main"] = parts
    size(drop_duplicates=True)
    next(hub.repository.rglob("train-00001*")).unlink()
    assert size(drop_duplicates=True) == 9 and hub.asked == ["main", "main"]


def test_a_revision_is_asked_for_by_its_name_or_its_commit(hub: FakeHub) -> None:
    hub.versions["v2"] = {"train.jsonl": ROWS}
    assert size(revision="v2") == 9 and hub.asked == ["v2"]
    assert size(revision="commit-of-v2") == 9 and hub.asked == ["v2"]
    assert "org/sums has no version 'v3'" in refusal(revision="v3")


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("GatedRepoError", "org/sums is gated: its owner must grant access first."),
        ("RepositoryNotFoundError", "There is no data set org/sums on the Hub, or it is private."),
        ("HfHubHTTPError", "org/sums could not be downloaded: refused."),
    ],
)
def test_a_refusal_of_the_hub_becomes_a_sentence(hub: FakeHub, kind: str, sentence: str) -> None:
    hub.error = http_error(kind)
    assert sentence in refusal()


@pytest.mark.parametrize("error", [ConnectionError("no route"), TimeoutError("too slow"), RuntimeError("odd\nmore")])
def test_a_broken_connection_becomes_a_sentence(hub: FakeHub, error: Exception) -> None:
    hub.error = error
    first = str(error).partition("\n")[0]
    assert f"could not be downloaded: {first}. Check the connection, or name a local file." in refusal()


def test_a_folder_of_that_name_goes_first(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "sums").mkdir(parents=True)
    (tmp_path / "org" / "sums" / "d.jsonl").write_text(ROWS)
    assert size() == 9 and hub.asked == []


@pytest.mark.parametrize("card", ["---\n[: }\n---\n", "---\n- a\n---\n", "---\n", "x", "---\nconfigs: 3\n---\n"])
def test_an_odd_card_is_as_good_as_none(hub: FakeHub, card: str) -> None:
    hub.versions["main"]["README.md"] = card
    assert size() == 9


def test_a_card_whose_lists_hold_one_another_is_not_written_out(hub: FakeHub) -> None:
    """Ten levels of ten would be ten gigabytes of text; five are enough to see that nobody writes them."""
    levels = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 5))
    card = f"---\na0: &a0 [{', '.join('x' * 10)}]\n{levels}configs:\n- config_name: *a4\n  data_files: x.jsonl\n---\n"
    hub.versions["main"] = {"README.md": card, "train.jsonl": ROWS}
    with pytest.raises(DatasetError) as caught:
        open_dataset(DataConfig(source=NAME, subset="b", held_out=1), 0)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("revision", ["/dev/zero", "../../../../dev/zero"])
def test_a_revision_leads_to_no_file_outside_the_cache(
    hub: FakeHub, revision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (hub.repository / "snapshots").mkdir(parents=True)
    monkeypatch.setattr(Path, "read_text", lambda path, **_: pytest.fail(f"{path} was read"))
    assert hub_module.cached_snapshot(NAME, revision) is None
