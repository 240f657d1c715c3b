"""Built-in task: reach a target number from given numbers by arithmetic, as in the television game Countdown."""

import random
from fractions import Fraction

from pydantic import model_validator

from engine.config_section import Section, knob
from engine.data.tasks.task import Item, TaskInfo
from engine.rewards.expression import NoValue, evaluate, uses_numbers

TRIES = 200  # random expressions before sums alone are taken, which always fit


class CountdownParams(Section):
    min_numbers: int = knob(3, "Fewest numbers given.", label="Numbers, at least", ge=2, le=8)
    max_numbers: int = knob(3, "Most numbers given.", label="Numbers, at most", ge=2, le=8)
    max_number: int = knob(20, "Largest of them; the smallest is 1.", label="Largest number", ge=2, le=100)
    max_target: int = knob(100, "Largest target.", label="Largest target", ge=10, le=10_000)

    @model_validator(mode="after")
    def _fits(self) -> "CountdownParams":
        if self.min_numbers > self.max_numbers:
            raise ValueError(f"the fewest numbers, {self.min_numbers}, are more than the most, {self.max_numbers}")
        if self.max_target < self.max_numbers:
            raise ValueError(f"the largest target, {self.max_target}, is less than {self.max_numbers}")
        return self


def make(params: CountdownParams, number: int) -> Item:
    """Every puzzle has a solution, which uses all its numbers and is the reference answer."""
    rng = random.Random(number)
    numbers, expression, target = _puzzle(params, rng)
    given = ", ".join(map(str, numbers))
    question = (
        f"Use the numbers {given}, each at most once, with + - * / and parentheses, to make {target}. "
        "Answer with the expression alone."
    )
    key = f"{','.join(map(str, sorted(numbers)))}={target}"
    return Item(key, question, expression, {"numbers": numbers, "target": target})


def solves(text: str, numbers: list[int], target: int) -> bool:
    """Whether an expression reaches the target with these numbers, each used at most once."""
    value = evaluate(text)
    return not isinstance(value, NoValue) and value == target and uses_numbers(text, numbers)


def _puzzle(params: CountdownParams, rng: random.Random) -> tuple[list[int], str, int]:
    for _ in range(TRIES):
        count = rng.randint(params.min_numbers, params.max_numbers)
        numbers = [rng.randint(1, params.max_number) for _ in range(count)]
        expression, value = _combined(numbers, rng)
        if value is not None and 1 <= value <= params.max_target and value not in numbers:
            return numbers, expression, int(value)
    numbers = [rng.randint(1, max(1, params.max_target // count)) for _ in range(count)]
    return numbers, " + ".join(map(str, numbers)), sum(numbers)


def _combined(numbers: list[int], rng: random.Random) -> tuple[str, Fraction | None]:
    """A random expression of all the numbers whose every step is a positive whole number; None when one is not."""
    parts = [(str(number), Fraction(number)) for number in numbers]
    rng.shuffle(parts)
    while len(parts) > 1:
        (left, a), (right, b) = parts.pop(), parts.pop()
        operator = rng.choice("+-*/")
        value = {"+": a + b, "-": a - b, "*": a * b, "/": a / b}[operator]
        if value <= 0 or value.denominator != 1:
            return "", None
        text = f"{left} {operator} {right}"
        parts.insert(0, (f"({text})" if parts else text, value))
    return parts[0]


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


COUNTDOWN = TaskInfo(
    name="countdown",
    label="Countdown",
    help="Reach a target with some numbers and + - * /. Many expressions are right, so a reward has to evaluate them.",
    params=CountdownParams,
    make=make,
    title=lambda params: f"countdown, {_span(params.min_numbers, params.max_numbers)} numbers",
    columns=("numbers", "target"),
    reward="expression_target",
)
