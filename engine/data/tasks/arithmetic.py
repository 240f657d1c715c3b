"""Built-in task: sums, differences and products of two numbers, such as "47+38=" → "85"."""

from collections.abc import Iterable
from typing import Literal

from engine.config_section import Section, knob
from engine.data.tasks.task import Item, TaskInfo
from engine.data.tasks.task import is_held_out as is_held_out_key

ONE_IN = 10


class ArithmeticParams(Section):
    digits: int = knob(2, "Digits of each number: 2 gives sums such as 47+38.", label="Digits", ge=1, le=4)
    operators: Literal["+", "-", "*", "+-", "+-*"] = knob(
        "+",
        "What is done with the two numbers. Each is drawn equally often.",
        label="Operators",
        words={
            "+": "sums", "-": "differences", "*": "products", "+-": "sums and differences", "+-*": "all three",
        },
    )  # fmt: skip


def is_held_out(a: int, b: int) -> bool:
    """Whether no training run, and no pretraining of the embedded model, may see a+b."""
    return is_held_out_key(f"{a}+{b}", ONE_IN)


def make(params: ArithmeticParams, number: int) -> Item:
    limit = 10**params.digits
    a, b = divmod(number % limit**2, limit)
    operator = params.operators[number // limit**2 % len(params.operators)]
    answer = {"+": a + b, "-": a - b, "*": a * b}[operator]
    key = f"{a}{operator}{b}"
    return Item(key, f"{key}=", str(answer), {"a": a, "b": b})


def keys(params: ArithmeticParams) -> Iterable[str] | None:
    if params.digits > 2:
        return None  # 100,000 held-out pairs and more, beyond what the setting allows
    numbers = range(10**params.digits)
    return (f"{a}{operator}{b}" for operator in params.operators for a in numbers for b in numbers)


ARITHMETIC = TaskInfo(
    name="arithmetic",
    label="Arithmetic",
    help="Two numbers to add, subtract or multiply: 47+38=. The embedded model was made for the sums.",
    params=ArithmeticParams,
    make=make,
    title=lambda params: (
        f"arithmetic, {params.digits} {'digit' if params.digits == 1 else 'digits'}"
        + ("" if params.operators == "+" else f", {' '.join(params.operators)}")
    ),
    columns=("a", "b"),
    held_out_one_in=ONE_IN,
    keys=keys,
)
