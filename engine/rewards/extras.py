"""Libraries that only some rewards need: whether one is here, and which install brings it."""

from collections.abc import Callable
from importlib.util import find_spec


def needs(module: str, package: str, extra: str) -> Callable[[], str | None]:
    """An `unavailable` for RewardInfo: how to get this module's package, None when it is here."""

    def unavailable() -> str | None:
        if find_spec(module) is not None:
            return None
        return (
            f"It needs the package {package}, which is not installed. Install it with: "
            f'pip install --constraint constraints.txt --editable ".[{extra}]"'
        )

    return unavailable
