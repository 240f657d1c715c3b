"""Everything that must stop a run before it starts, found without loading weights.

`python -m engine.check` reads a configuration as JSON from standard input and prints one Check as JSON. It is the
child of check_client.check_in_child.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from itertools import islice

from engine.check_client import Check, Preview
from engine.config import RunConfig
from engine.config_advice import advice
from engine.config_io import parse_config, pass_reward
from engine.data.answers import NUMERIC, check_answers, count_numbers
from engine.data.checks import Bin, Finding, check_examples, histogram, missing_columns
from engine.data.examples import Dataset, Example, open_dataset
from engine.data.hub import NotFetched
from engine.data.prompts import Renderer, check_lengths, drop_long
from engine.errors import ConfigError, LabError, ModelError, Problem
from engine.machine_speed import keep_speed
from engine.models.catalog import cached_snapshot, model_facts, resolve_source
from engine.rewards.file_check import check_reward_files
from engine.rewards.registry import absence_problems, columns_of, function_of

PREVIEWS = 3
SAMPLE = 200  # examples that warnings are judged by
MEASURED = 2000  # prompts whose length in tokens is counted
SHOWN = 4000  # characters of a prompt in a preview
UNKNOWN_SHARE = 0.05  # above this share of unknown tokens a model hardly knows what it is asked


def check_run(config: RunConfig) -> Check:
    """Open the data and the tokenizer of a configuration, and report every problem found together."""
    problems: list[Problem] = []
    dataset: Dataset | None = None
    renderer: Renderer | None = None
    context_length: int | None = None
    not_here: list[str] = []
    with _collecting(problems, "data.source"):
        try:
            dataset = open_dataset(config.data, config.seed, fetch=False)
            check_answers(config.rewards, dataset)
        except NotFetched as error:
            not_here = [f"{error.message} Its rows could not be checked."]
    with _collecting(problems, "model.source"):
        context_length = model_facts(config.model.source).context_length
        renderer = _load_renderer(config)
    warnings = [
        *map(str, advice(config)),
        *_model_advice(config),
        *not_here,
        *(_data_advice(config, dataset) if dataset else ()),
    ]
    previews: list[Preview] = []
    prompt_tokens: tuple[Bin, ...] = ()
    if dataset and renderer:
        with _collecting(problems, "data.source"):
            dataset = drop_long(dataset, renderer, config.data.max_prompt_tokens)
            prompt_tokens = histogram(renderer.lengths(_sample(dataset, MEASURED)))
            check_lengths(renderer, dataset, context_length, config.rollout.max_completion_length)
            previews = _previews(renderer, dataset)
            warnings += _token_advice(config, renderer, dataset)
    columns = {name for _, e in islice(dataset.examples(), SAMPLE) for name in e.columns} if dataset else None
    problems += [problem for index, spec in enumerate(config.rewards) for problem in absence_problems(index, spec)]
    file_problems, file_warnings = check_reward_files(config.rewards, columns)
    problems += file_problems
    warnings += file_warnings
    findings: list[Finding] = []
    if dataset:
        needed = {spec.name: columns_of(spec) for spec in config.rewards}
        findings = [*missing_columns(dataset, needed), *check_examples(dataset)]
    train_size = dataset.train_size if dataset else None
    return Check(
        tuple(problems), tuple(warnings), tuple(previews), context_length, train_size, tuple(findings), prompt_tokens
    )


def main() -> int:
    answer = sys.stdout
    with redirect_stdout(sys.stderr):  # whatever a library prints, the answer stays one JSON object
        text = sys.stdin.buffer.read()
        check = _check_text(text)
        if not check.problems:
            _measure_machine(parse_config(text))
    answer.write(check.to_json())
    return 0


def _measure_machine(config: RunConfig) -> None:
    """Keep this machine's speed for estimates: it costs a third of a second, and is what the next run will meet."""
    from engine.benchmark import measure_speed
    from engine.train.session import choose_device

    with suppress(OSError, LabError):  # an estimate is not worth a failure
        keep_speed(measure_speed(choose_device(config), config.threads))


def _check_text(data: bytes) -> Check:
    try:
        return check_run(parse_config(data))
    except ConfigError as error:
        return Check(problems=tuple(error.problems))


@contextmanager
def _collecting(problems: list[Problem], field: str) -> Iterator[None]:
    """Turn an error into a problem of this field, so that the checks after it still run."""
    try:
        yield
    except LabError as error:
        problems.append(Problem(error.field or field, error.message, error.hint))


def _load_renderer(config: RunConfig) -> Renderer | None:
    """None for a model that would have to be downloaded: that is for the run to do, not for a check."""
    if _is_elsewhere(config.model.source):
        return None
    from engine.models.load import load_tokenizer  # torch: seconds to import, and bad data should answer at once

    return Renderer(load_tokenizer(config.model.source), config.model)


def _is_elsewhere(source: str) -> bool:
    return resolve_source(source).kind == "hub" and cached_snapshot(source) is None


def _model_advice(config: RunConfig) -> Iterator[str]:
    with suppress(ModelError):  # then it is among the problems
        if _is_elsewhere(config.model.source):
            yield "The model is not on this machine; starting the run downloads it. Its prompts could not be checked."


def _sample(dataset: Dataset, count: int) -> list[Example]:
    return [example for _, example in islice(dataset.examples(), count)]


def _previews(renderer: Renderer, dataset: Dataset) -> list[Preview]:
    examples = [dataset.train(position) for position in range(PREVIEWS)]
    return [
        Preview(rendered.text[:SHOWN], len(rendered.ids), example.answer)
        for example, rendered in zip(examples, renderer.render_all(examples), strict=True)
    ]


def _data_advice(config: RunConfig, dataset: Dataset) -> Iterator[str]:
    """What is allowed, but probably not meant, as far as configuration and data show it."""
    if pass_reward(config) is None:
        yield "No reward judges the answer, so there will be no held-out pass@1."
    if any("{answer}" in source.prompt_template for source in config.data.sources()):
        yield "The prompt template shows the model the answer."
    numeric = next((spec.name for spec in config.rewards if function_of(spec) in NUMERIC), None)
    if numeric is not None:
        numbers, total = count_numbers(dataset)
        if numbers < total:
            yield f"{total - numbers:,} of {total:,} reference answers are not numbers; {numeric} is missing there."


def _token_advice(config: RunConfig, renderer: Renderer, dataset: Dataset) -> Iterator[str]:
    """What the tokenizer shows to be probably not meant, from the first SAMPLE examples."""
    examples = _sample(dataset, SAMPLE)
    unknown = renderer.unknown_share(examples)
    if unknown > UNKNOWN_SHARE:
        yield f"The model's tokenizer does not know {unknown:.0%} of the prompts' tokens. It was made for other text."
    limit = config.rollout.max_completion_length
    lengths = renderer.answer_lengths(examples)
    too_long = sum(length >= limit for length in lengths)  # the end token needs a place too
    if too_long:
        yield f"{too_long} of {len(lengths)} reference answers have no room in a completion of {limit} tokens."


if __name__ == "__main__":
    raise SystemExit(main())
