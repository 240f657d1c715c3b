"""`grpo-lab search RUN [PHRASE]`: completions of a run in a terminal, the newest listed or all written to a file."""

import argparse
import os
import secrets
import sys
from pathlib import Path

from engine.errors import LabError, printable
from engine.runs.durable import disk_errors
from engine.runs.export import EXPORT_CAP, FORMATS, Exported, Format, export
from engine.runs.hits import Hit, hits
from engine.runs.paths import open_run, runs_root
from engine.runs.reader import RunReader
from engine.runs.search import CAP, find
from engine.runs.search_query import FILTER_KINDS, SearchQuery

SECONDS = 60.0  # a terminal waits longer than a page
SHOWN = 20
ENDS = {"eos": "ended", "stop": "stop string", "length": "cut off"}
HELP = f"Filters must all hold; ranges include both ends. A file has at most {EXPORT_CAP:,} completions."


def add_search(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Make the command known."""
    parser = commands.add_parser("search", help="find completions of a run by a phrase and filters", epilog=HELP)
    parser.add_argument("run")
    parser.add_argument("phrase", nargs="?", default="", help="as it stands in the text, in capital or small letters")
    for name, kind in FILTER_KINDS.items():
        flag = f"--{name.replace('_', '-')}"
        if name == "phrase":
            continue
        if name == "reward_missing":
            parser.add_argument(flag, action="store_true", help="a reward function gave no value")
        elif isinstance(kind, tuple):
            parser.add_argument(flag, choices=kind)
        elif kind == "yes or no":
            parser.add_argument(flag, action=argparse.BooleanOptionalAction)
        else:
            parser.add_argument(flag, type={"count": int, "number": float}.get(kind, str), metavar=kind.upper())
    parser.add_argument("--limit", type=int, default=SHOWN, metavar="N", help=f"completions listed (default: {SHOWN})")
    parser.add_argument("--format", choices=FORMATS, help="write every completion found instead, newest first")
    parser.add_argument("--out", type=Path, help="where to write it (default: to standard output)")
    parser.set_defaults(command=_search)


def _search(options: argparse.Namespace) -> int:
    if options.out is not None and options.format is None:
        raise LabError("--out needs a --format.", hint=f"There are {', '.join(FORMATS)}.")
    reader = RunReader(open_run(runs_root(), options.run).db)
    query = SearchQuery(**{name: getattr(options, name) for name in FILTER_KINDS})
    if options.format is None:
        return _list(reader, query, max(options.limit, 0))
    done = _to_stdout(reader, query, options.format) if options.out is None else _to_file(reader, query, options)
    print(f"{done.rows:,} completions written. {done.words()}".strip(), file=sys.stderr)
    return 0


def _list(reader: RunReader, query: SearchQuery, limit: int) -> int:
    with reader.snapshot() as moment:  # what is listed is what was found, though a step is replayed meanwhile
        found = find(moment, query, seconds=SECONDS)
        listed = hits(moment, found.keys[:limit], query.phrase)
    for hit in listed:
        print(_line(hit))
    count = f"more than {CAP:,}" if found.more else f"{len(found.keys):,}"
    print(f"{count} completions found. {found.note}".strip(), file=sys.stderr)
    return 0


def _line(hit: Hit) -> str:
    """One line: where it is, its numbers, and the text around the phrase. Groups and completions count from 1."""
    total = "–" if hit.total is None else f"{hit.total:.3f}"
    text = hit.excerpt.before + hit.excerpt.match + hit.excerpt.after
    place = f"step {hit.step} group {hit.group_index + 1} #{hit.completion_index + 1}"
    end = ENDS.get(hit.finish_reason or "", "–")
    return f"{place}  total {total}  advantage {hit.advantage:+.3f}  {end}  {printable(text.replace(chr(10), ' '))}"


def _to_stdout(reader: RunReader, query: SearchQuery, kind: Format) -> Exported:
    try:
        return export(reader, query, kind, sys.stdout.buffer, seconds=SECONDS)
    finally:
        sys.stdout.buffer.flush()


def _to_file(reader: RunReader, query: SearchQuery, options: argparse.Namespace) -> Exported:
    """The file appears when it is complete."""
    out: Path = options.out
    if out.exists():
        raise LabError(f"{out} exists.", hint="Name another file, or delete this one.")
    temporary = out.with_name(f".{out.name}.{secrets.token_hex(4)}.tmp")
    with disk_errors(out):
        try:
            with temporary.open("xb") as file:
                done = export(reader, query, options.format, file, seconds=SECONDS)
            os.replace(temporary, out)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    return done
