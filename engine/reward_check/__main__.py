"""`python -m engine.reward_check`: the child of client.start_check. A CheckRequest comes in, a RewardCheck goes out."""

from engine.child_task import serve
from engine.reward_check.run import check
from engine.reward_check.types import CheckRequest

if __name__ == "__main__":
    raise SystemExit(serve(lambda request, tell: check(CheckRequest.from_json(request), tell).to_json()))
