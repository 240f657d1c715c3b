"""`python -m engine.reward_check`: the child of client.start_check. A CheckRequest comes in, a RewardCheck goes out."""

import sys

from engine.reward_check.child import answered, messages, tell
from engine.reward_check.run import check
from engine.reward_check.types import CheckRequest


def main() -> int:
    with messages() as stream:
        request = CheckRequest.from_json(sys.stdin.buffer.read().decode("utf-8", "surrogatepass"))
        found = check(request, lambda done, total, doing: tell(stream, done, total, doing))
        answered(stream, found.to_json())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
