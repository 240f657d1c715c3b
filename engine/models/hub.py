"""A model of the Hub as a local folder: from the cache when it is whole there, else downloaded for who named it.

Only what can be loaded is fetched: safetensors, JSON, chat template, tokenizer files and model card, of the top
folder.
"""

import os
from pathlib import Path

from engine.errors import ModelError
from engine.hub_errors import hub_refusal
from engine.models.catalog import cached_snapshot
from engine.models.folder import PICKLE_SUFFIXES
from engine.models.licence import CARD

_WANTED = (".safetensors", ".json", ".jinja", ".model", ".txt")


def hub_folder(hub_id: str) -> Path:
    """The folder of the model. Raises ModelError when offline, not found, gated, without safetensors, or cut off."""
    if cached := cached_snapshot(hub_id):
        return cached
    if is_offline():
        raise ModelError(
            f"{hub_id} is not on this machine, and HF_HUB_OFFLINE forbids to download it.",
            hint="Unset HF_HUB_OFFLINE, or name a local folder.",
        )
    return _download(hub_id)


def is_offline() -> bool:
    """Whether the user has forbidden downloads from the Hub."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def _download(hub_id: str) -> Path:
    import huggingface_hub  # here, because it takes half a second that local models need not pay

    try:
        names = [name for name in huggingface_hub.HfApi().list_repo_files(hub_id) if "/" not in name]
        _require_safetensors(hub_id, names)
        wanted = [name for name in names if name.endswith(_WANTED) or name == CARD]
        return Path(huggingface_hub.snapshot_download(hub_id, allow_patterns=wanted, ignore_patterns=["*/*"]))
    except ModelError:
        raise
    except Exception as error:
        message, hint = hub_refusal(hub_id, "model", error, "folder")
        raise ModelError(message, hint=hint) from error


def _require_safetensors(hub_id: str, names: list[str]) -> None:
    if any(name.endswith(".safetensors") for name in names):
        return
    if pickles := [name for name in names if name.endswith(PICKLE_SUFFIXES)]:
        raise ModelError(
            f"{hub_id} has its weights only as pickle ({', '.join(pickles[:3])}), which can run code when it loads.",
            hint="Choose a model with safetensors.",
        )
    raise ModelError(f"{hub_id} holds no weights as safetensors.", hint="Choose another model.")
