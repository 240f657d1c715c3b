"""Runs in a sandbox beside the model's code: loads it, and calls its functions when the engine asks.

Whatever the model's code does to this program, all it can say to the tests is which plain value a call gave.
"""

import json
import sys
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import Any

from plain import MAX_FRAME, Channel, NotPlain, pack, unpack  # type: ignore[import-not-found]  # beside it, in the sandbox

_MAX_WORDS = 300


def load() -> Any:
    """The model's code as a module; not as __main__, so that what it would do as a program is not done."""
    module = sys.modules["candidate"] = ModuleType("candidate")
    SourceFileLoader("candidate", "candidate.py").exec_module(module)
    return module


def answer(module: Any, request: dict[str, Any]) -> dict[str, Any]:
    """What the call gave: a value, an exception that tests may expect, or something that is no result at all."""
    function = getattr(module, request["call"], None)
    if not callable(function):
        return {"gone": f"it has no function {request['call']}"}
    try:
        result = {"value": pack(function(*unpack(request["args"]), **unpack(request["kwargs"])))}
        if len(json.dumps(result)) > MAX_FRAME:
            return {"gone": "its result is too large"}
        return result
    except NotPlain as error:
        return {"gone": f"its result is {error}"}
    except Exception as error:
        names = [kind.__name__ for kind in type(error).__mro__]
        return {"raised": names, "message": str(error)[:_MAX_WORDS]}
    except BaseException as error:
        return {"gone": f"it ended with {type(error).__name__}"}


def main() -> None:
    channel = Channel()
    channel.write({"begin": True})  # from here on it is the model's code that takes time
    try:
        module = load()
    except BaseException as error:
        channel.write({"gone": f"its code does not load: {type(error).__name__}: {error}"[:_MAX_WORDS]})
        return
    channel.write({"loaded": True})
    while True:
        request = channel.read()
        try:
            channel.write(answer(module, request))
        except Exception as error:
            channel.write({"gone": f"its result cannot be read: {type(error).__name__}"})


main()
