"""Checks a reward from beginning to end. Only in a child process, engine.reward_check.__main__: rewards run here."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.config_io import parse_config
from engine.data.examples import open_dataset
from engine.errors import ConfigError, LabError, Problem
from engine.reward_check import behaviour, contract
from engine.reward_check.answers import FORM_WORDS, Form, written
from engine.reward_check.bench import Bench, evidence_of, open_bench
from engine.reward_check.board import Range, Tried, exploits, strategy_score
from engine.reward_check.gold import Golds, gold_finding
from engine.reward_check.probe import OutOfTime, Sample
from engine.reward_check.strategies import STRATEGIES, Strategy
from engine.reward_check.types import CheckRequest, Finding, RewardCheck, StrategyScore, shown
from engine.rewards.python_file import PythonFileParams

GOLD_SECONDS = 3.0
BOARD_SECONDS = 4.0
BOARD_ROWS = 12  # with different reference answers
OTHER_FORM_ROWS = 12
OTHER_FORMS: tuple[Form, ...] = ("bare", "sentence", "tag", "boxed", "hashes")
PARTS = 7

Tell = Callable[[int, int, str], None]
LABELS = {
    "shapes": "Strings and chat", "determinism": "Same again", "order": "Any order", "alone": "Alone and together",
    "odd": "Odd texts", "gold": "Reference answers", "exploits": "Exploits", "mutation": "Leaves its input alone",
    "memory": "Memory",
}  # fmt: skip


@dataclass
class _Found:
    findings: list[Finding] = field(default_factory=list)
    board: list[StrategyScore] = field(default_factory=list)
    span: Range | None = None
    compares: bool = False  # values depend on the other completions of the batch


def check(request: CheckRequest, tell: Tell) -> RewardCheck:
    """Everything about one reward of a configuration. Never raises for what configuration, data or reward are."""
    started = time.monotonic()
    try:
        config = parse_config(request.config)
        spec = next((one for one in config.rewards if one.name == request.reward), None)
        if spec is None:
            raise ConfigError([Problem("rewards", f"there is no reward {request.reward!r} in the list.")])
        tell(0, PARTS, "reading data")
        dataset = open_dataset(config.data, config.seed, fetch=False)  # nobody asked for a download here
        copies = None if request.copies is None else Path(request.copies)
        bench = open_bench(config, spec, dataset, copies=copies, budget_s=request.budget_s)
    except LabError as error:
        return RewardCheck(request.reward, problem=str(error))
    try:
        found = _found(bench, tell)
    finally:
        bench.probe.close()
    probe, span = bench.probe, found.span
    return RewardCheck(
        spec.name, bench.kind, tuple(found.findings), tuple(found.board),
        None if span is None else span.low, None if span is None else span.high,
        f"{FORM_WORDS[bench.asked.form]}, {bench.asked.why}", bench.data_name,
        len(probe.costs), probe.num_completions, time.monotonic() - started,
    )  # fmt: skip


def _found(bench: Bench, tell: Tell) -> _Found:
    found = _Found()
    tell(0, PARTS, "loading the reward")
    first, chosen = contract.loads(bench)
    found.findings += [first, contract.columns(bench, chosen)]
    if first.verdict == "failed":
        found.findings += _skipped(LABELS, "It could not be loaded.")
        return found
    samples = bench.base()
    try:
        tell(1, PARTS, "an ordinary batch")
        answers = bench.probe.ask(samples)
    except OutOfTime:
        return found
    found.findings.append(contract.returns(samples, answers))
    if all(value is None for value in answers.values):
        found.findings += _skipped(LABELS, "It gives no value to ordinary completions.")
        return found
    for part in (_consistency, _survival, _earnings, _traces):
        part(bench, samples, found, tell)
    found.findings.append(behaviour.cost(bench, bench.probe.costs))
    return found


def _consistency(bench: Bench, samples: Sequence[Sample], found: _Found, tell: Tell) -> None:
    tell(2, PARTS, "again, in another order, alone")
    found.findings.append(_in_time("shapes", lambda: contract.shapes(bench, samples)))
    found.findings.append(same := _in_time("determinism", lambda: behaviour.determinism(bench, samples)))
    if same.verdict == "failed":
        found.findings += _skipped(("order", "alone"), "Its values differ from call to call anyway.")
        return
    found.findings.append(_in_time("order", lambda: behaviour.order(bench, samples)))
    found.findings.append(single := _in_time("alone", lambda: behaviour.alone(bench, samples)))
    found.compares = single.verdict == "warning" or behaviour.MEANT in single.text


def _survival(bench: Bench, samples: Sequence[Sample], found: _Found, tell: Tell) -> None:
    tell(3, PARTS, "odd texts")
    found.findings.append(_in_time("odd", lambda: contract.odd(bench)))


def _earnings(bench: Bench, samples: Sequence[Sample], found: _Found, tell: Tell) -> None:
    """Reference answers and exploits: first all values, as the range may have to be read off them."""
    tell(4, PARTS, "reference answers")
    try:
        if found.compares:
            golds, tried = _in_groups(bench)
        else:
            golds = _golds(bench)
            tell(5, PARTS, "exploits")
            tried = _strategies(bench)
    except OutOfTime:
        found.findings += _skipped(("gold", "exploits"), "Not tried: the check has used up its time.")
        return
    found.span = span = _range(bench, golds, [one for some in tried.values() for one in some])
    if found.compares:
        found.findings += _skipped(
            ("gold",), "It compares the completions of a batch: an answer has no value by itself."
        )
    else:
        found.findings.append(gold_finding(golds, bench.asked, span, bench.kind))
    if bench.commonest[0] and bench.kind == "task":
        found.findings.append(_commonest(*bench.commonest))
    found.board = [
        strategy_score(strategy, tried[strategy.name], span or Range(0, 0), bench.kind) for strategy in STRATEGIES
    ]
    found.findings.append(
        exploits(found.board, span, bench.kind, gate=bench.spec.gate, is_monitor=bench.is_monitor)
    )  # fmt: skip


def _commonest(answer: str, share: float) -> Finding:
    text = f"Always writing {shown(answer)!r}, the commonest answer, is right on {share:.1%} of the rows."
    return Finding("commonest", "Commonest answer", "warning" if share > 0.5 else "ok", text)


def _traces(bench: Bench, samples: Sequence[Sample], found: _Found, tell: Tell) -> None:
    tell(6, PARTS, "what it leaves behind")
    found.findings += behaviour.mutation(bench, samples)


def _golds(bench: Bench) -> Golds:
    if not bench.has_gold:
        return Golds({})
    count = bench.probe.affordable(GOLD_SECONDS, len(bench.rows))
    places = [place for place in range(count) if bench.row(place).gold]
    by_form = {bench.asked.form: _written(bench, places, bench.asked.form)}
    for form in OTHER_FORMS:
        if form not in by_form:
            by_form[form] = _written(bench, places[:OTHER_FORM_ROWS], form)
    return Golds(by_form)


def _written(bench: Bench, places: Sequence[int], form: Form) -> list[Tried]:
    return _tried(bench, [bench.sample(place, written(bench.row(place).gold, form)) for place in places])


def _strategies(bench: Bench) -> dict[str, list[Tried]]:
    """Of each strategy its completions, on rows with different answers."""
    places = _board_places(bench)
    found = {}
    for strategy in STRATEGIES:
        samples = [bench.sample(place, text) for place in places if (text := _text(bench, strategy, place)) is not None]
        found[strategy.name] = _unless_it_fails(bench, samples)
    return found


def _unless_it_fails(bench: Bench, samples: Sequence[Sample]) -> list[Tried]:
    """All of them, but no more than two where these fail: a text that hangs the reward costs its deadline each time."""
    first: list[Tried] = []
    for sample in samples[:2]:
        first += _tried(bench, [sample])
        if first[-1].evidence.value is not None:
            break
    else:
        return first
    return first + _tried(bench, samples[len(first) :])


def _in_groups(bench: Bench) -> tuple[Golds, dict[str, list[Tried]]]:
    """For a reward that compares completions: of each row all strategies and the right answer in one batch."""
    found: dict[str, list[Tried]] = {strategy.name: [] for strategy in STRATEGIES}
    golds: list[Tried] = []
    for place in _board_places(bench):
        texts = {strategy.name: _text(bench, strategy, place) for strategy in STRATEGIES}
        names = [name for name, text in texts.items() if text is not None]
        group = [bench.sample(place, texts[name] or "") for name in names]
        right = [bench.sample(place, written(bench.row(place).gold, bench.asked.form))] if bench.row(place).gold else []
        tried = _tried(bench, [*group, *right])
        golds += tried[len(names) :]
        for name, one in zip(names, tried, strict=False):
            found[name].append(one)
    return Golds({bench.asked.form: golds}), found


def _board_places(bench: Bench) -> list[int]:
    most, least = BOARD_ROWS * len(STRATEGIES), 3 * len(STRATEGIES)
    return bench.distinct(bench.probe.affordable(BOARD_SECONDS, most, least) // len(STRATEGIES))


def _text(bench: Bench, strategy: Strategy, place: int) -> str | None:
    row = bench.row(place)
    return strategy.make(row, bench.asked.form) if row.gold or not strategy.needs_gold else None


def _tried(bench: Bench, samples: Sequence[Sample]) -> list[Tried]:
    answers = bench.probe.ask(samples)
    evidence = evidence_of(samples, answers, range(len(samples)))
    return [Tried(sample.example.answer, one) for sample, one in zip(samples, evidence, strict=True)]


def _range(bench: Bench, golds: Golds, tried: Sequence[Tried]) -> Range | None:
    """What the library declares; of a user's file from the lowest value seen to the highest of a reference answer."""
    seen = [one.evidence.value for one in tried if one.evidence.value is not None]
    everything = seen + golds.values()
    if not everything:
        return None
    if bench.info.params is not PythonFileParams:
        low, high = bench.info.value_range
        return Range(min(low, *everything), max(high, *golds.values(), low))
    best = max(golds.values(), default=max(everything))
    return Range(min(everything), best if best > min(everything) else max(everything))


def _in_time(name: str, part: Callable[[], Finding]) -> Finding:
    try:
        return part()
    except OutOfTime:
        return _skipped((name,), "Not tried: the check has used up its time.")[0]


def _skipped(names: Sequence[str] | dict[str, str], why: str) -> list[Finding]:
    return [Finding(name, LABELS[name], "not applicable", why) for name in names]
