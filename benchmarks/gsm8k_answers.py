"""How often numeric_match finds the answer in running text: `python benchmarks/gsm8k_answers.py GSM8K_TRAIN.jsonl`.

The worked solutions of GSM8K without their last line (`#### 72`) and calculator marks (`<<48/2=24>>`), each against its
own answer and against that of the next row. docs/rewards.md quotes the shares.
"""

import json
import re
import sys
from pathlib import Path

from engine.config import RewardSpec
from engine.rewards.score import bind_rewards

_MARK = re.compile(r"<<[^>]*>>")


def main(path: Path) -> int:
    solutions, answers = [], []
    for line in path.read_text(encoding="utf-8").splitlines():
        text, _, answer = json.loads(line)["answer"].rpartition("####")
        solutions.append(_MARK.sub("", text).strip())
        answers.append(answer.strip())
    (reward,) = bind_rewards([RewardSpec(name="numeric_match")])
    following = answers[1:] + answers[:1]
    own, other = (sum(reward.function(completions=solutions, answer=found)) for found in (answers, following))
    same = sum(
        first.replace(",", "") == second.replace(",", "") for first, second in zip(answers, following, strict=True)
    )
    print(f"{len(answers):,} solutions: own answer found in {own / len(answers):.1%}")
    print(
        f"the answer of the next row: right in {other / len(answers):.2%}; it is the same in {same / len(answers):.2%}"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
