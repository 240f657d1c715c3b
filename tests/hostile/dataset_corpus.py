"""Data files that cannot be used, as name → (file name, its bytes, what is said of it). `python -m` measures each.

`python -m tests.hostile.dataset_corpus FOLDER` opens every file of a folder in a process of its own, and prints for
each a line of JSON: its name, what was said, the processor time in seconds and the peak memory in bytes.
"""

import gzip
import io
import json
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

GOOD = '{"question": "1+1?", "answer": "2"}\n'
OTHER = '{"question": "1+2?", "answer": "3"}\n'
MB = 10**6


class Bad(NamedTuple):
    file: str
    content: bytes
    told: str


def line(text: str, told: str) -> Bad:
    """A JSONL file whose second line is bad."""
    return Bad("d.jsonl", (GOOD + text + "\n" + OTHER).encode("utf-8", "surrogatepass"), f"d.jsonl, line 2: {told}")


def text(file: str, content: str, told: str) -> Bad:
    return Bad(file, content.encode("utf-8", "surrogatepass"), told)


def turns(*turns: Any) -> str:
    return json.dumps({"messages": list(turns)})


def chat(bad: str, told: str) -> Bad:
    good = turns({"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"})
    other = good.replace("1+1", "1+2")
    return Bad("d.jsonl", f"{good}\n{bad}\n{other}\n".encode(), f"d.jsonl, line 2: {told}")


def parquet(table: Any, **options: Any) -> bytes:
    from pyarrow import parquet as pq

    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


def rows(*found: dict[str, Any]) -> bytes:
    import pyarrow as pa

    return parquet(pa.Table.from_pylist(list(found)))


def small() -> dict[str, Bad]:
    """Files of less than a few hundred kilobytes."""
    good = rows({"question": "1+1?", "answer": "2"}, {"question": "1+2?", "answer": "3"})
    user, assistant = {"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}
    return {
        "an empty file": Bad("d.jsonl", b"", "d.jsonl is empty."),
        "blank lines alone": Bad("d.jsonl", b"\n \n\t\n", "d.jsonl has no rows."),
        "a byte order mark alone": Bad("d.jsonl", b"\xef\xbb\xbf", "d.jsonl has no rows."),
        "UTF-16": Bad("d.jsonl", GOOD.encode("utf-16"), "d.jsonl, line 1: the text looks like UTF-16."),
        "bad UTF-8": Bad("d.jsonl", GOOD.encode() + b'{"question": "\xe4"}', "d.jsonl, line 2: the text is not UTF-8"),
        "overlong UTF-8": Bad("d.jsonl", GOOD.encode() + b'{"question": "\xc0\xaf"}', "line 2: the text is not UTF-8"),
        "a binary file": Bad("d.jsonl", bytes(range(256)) * 20, "d.jsonl, line 2: the text is not UTF-8"),
        "a picture named JSONL": Bad("d.jsonl", b"\x89PNG\r\n\x1a\n" + bytes(50), "line 1: the text is not UTF-8"),
        "a NUL": line('{"question": "a\\u0000b", "answer": "1"}', "'question' has a NUL character."),
        "raw NULs": Bad("d.jsonl", GOOD.encode() + bytes(40) + b"\n", "d.jsonl, line 2: is not JSON"),
        "carriage returns as line ends": text(
            "d.jsonl", (GOOD + OTHER).replace("\n", "\r"), "d.jsonl, line 1: is not JSON (Extra data"
        ),
        "a cut last line": text("d.jsonl", GOOD + '{"question": "x", "ans', "line 2: is not JSON (Unterminated string"),
        "two objects in a line": line(GOOD.strip() + OTHER.strip(), "is not JSON (Extra data"),
        "a comma after each line": text("d.jsonl", GOOD.strip() + ",\n" + OTHER, "line 1: is not JSON (Extra data"),
        "single quotes": line("{'question': 'x'}", "is not JSON (Expecting property name"),
        "a comment": line("// more", "is not JSON (Expecting value"),
        "the same name twice": line('{"question": "x", "answer": "1", "question": "y"}', "has 'question' twice"),
        "the same name twice inside": line('{"question": "x", "answer": {"a": 1, "a": 2}}', "has 'a' twice"),
        "100,000 brackets": line('{"question": ' + "[" * 100_000, "is nested more than 20 levels deep."),
        "10,000 closed brackets": line(
            '{"question": ' + "[" * 10_000 + "]" * 10_000 + "}", "is nested more than 20 levels deep."
        ),
        "30 objects deep": line(
            '{"question": ' + '{"a": ' * 30 + "1" + "}" * 31, "'question' is nested more than 20 levels"
        ),
        "a number of 5,000 digits": line(
            '{"question": "x", "answer": ' + "7" * 5000 + "}", "has a number with thousands of digits."
        ),
        "NaN": line('{"question": "x", "answer": NaN}', "has NaN, which is not JSON."),
        "infinity deep inside": line('{"question": "x", "answer": [[-Infinity]]}', "has -Infinity, which is not JSON."),
        "half a surrogate pair": line('{"question": "\\ud800", "answer": "1"}', "'question' has half a surrogate pair"),
        "half a pair in a name": line(
            '{"question": "x", "answer": "1", "\\ud800": 1}', "a column name has half a surrogate pair"
        ),
        "a list as row": line("[1, 2]", "is a list, not an object."),
        "a text as row": line('"question"', "is a text, not an object."),
        "null as row": line("null", "is null, not an object."),
        "an empty object": line("{}", "is an empty object."),
        "no answer": line('{"question": "x"}', "'answer' is missing."),
        "a blank answer": line('{"question": "x", "answer": " \\n"}', "'answer' is empty."),
        "a blank prompt": line('{"question": "\\u00a0", "answer": "1"}', "'question' is empty."),
        "an object as prompt": line('{"question": {"a": 1}, "answer": "1"}', "'question' is not a text."),
        "a list as answer": line('{"question": "x", "answer": [1]}', "'answer' is not a text."),
        "nothing after the hashes": line('{"question": "x", "answer": "so\\n#### "}', "'answer' has no answer after"),
        "an empty box": line('{"question": "x", "answer": "\\\\boxed{}"}', "'answer' has no answer after #### or in"),
        "no column like a prompt": text("d.jsonl", '{"x": 1}\n' * 3, "d.jsonl: no column looks like a prompt"),
        "colours of a terminal in a name": text(
            "d.jsonl", '{"\\u001b[31mred": 1}\n' * 3, "its columns are '\\x1b[31mred'."
        ),
        "a text written backwards in a name": text("d.jsonl", '{"\\u202eevil": 1}\n', "its columns are '\\u202eevil'."),
        "the same row again and again": text("d.jsonl", GOOD * 50, "d.jsonl has 1 different prompt, so holding out 1"),
        "a cell beyond the limit": line(
            json.dumps({"question": "x" * 200_001, "answer": "1"}), "'question' has 200,001 char"
        ),
        "1,100 columns": text(
            "d.jsonl", json.dumps({f"c{i}": i for i in range(1100)}), "more than 1,000,000 rows and 1,000"
        ),
        "a JSON list that is not closed": text(
            "d.json", f"[{GOOD.strip()}, {GOOD.strip()[:-5]}", "d.json, row 2: is not JSON"
        ),
        "text after a JSON list": text(
            "d.json", f"[{GOOD.strip()}] x", "d.json, row 2: is not JSON (after entry 1: more"
        ),
        "a list of numbers": text("d.json", "[1, 2, 3]", "d.json, row 1: is a number, not an object."),
        "100,000 empty lists": text("d.json", "[" + "[]," * 99_999 + "[]]", "d.json, row 1: is a list, not an object."),
        "lists in lists": text("d.json", "[" * 50_000, "d.json, row 1: is nested more than 20 levels deep."),
        "columns instead of rows": text(
            "d.json", '{"question": {"0": "x"}}', "d.json, row 1: 'question' is not a text."
        ),
        "a number alone": text("d.json", "3", "d.json holds a number, not a list of objects."),
        "Python's notation": text("d.json", "{'a': 1}", "d.json, line 1: is not JSON"),
        "a ragged CSV": text(
            "d.csv", "question,answer\n1,2\n1,2,3\n", "d.csv, line 3: has 3 cells, but the header has 2."
        ),
        "an open quote": text(
            "d.csv", 'question,answer\n1,2\n"3,4\n5,6\n', "d.csv, line 3: is not CSV (unexpected end"
        ),
        "text after a quote": text("d.csv", 'question,answer\n"1"x,2\n', "d.csv, line 2: is not CSV"),
        "a header alone": text("d.csv", "question,answer\n", "d.csv has no rows."),
        "a column without a name": text("d.csv", "question,\n1,2\n", "d.csv, line 1: a column has no name."),
        "a column twice": text("d.csv", "question,question\n1,2\n", "line 1: the column 'question' occurs twice."),
        "no header": text("d.csv", "1+1?,2\n1+2?,3\n", "d.csv: no column looks like a prompt"),
        "a formula as name": text("d.csv", '"=cmd|""/c calc""!A1",x\n1,2\n', "no column looks like a prompt"),
        "3,000 columns": text("d.csv", ",".join(f"c{i}" for i in range(3000)) + "\n", "d.csv has 3,000 columns"),
        "a CSV cell beyond the limit": text(
            "d.csv", "question,answer\n" + "x" * 200_000 + ",1\n", "line 2: is not CSV (field larger than field limit"
        ),
        "NUL in a CSV": Bad("d.csv", b"question,answer\n1+\x001,2\n", "d.csv, line 2: "),
        "a TSV with commas": text("d.tsv", "question,answer\n1,2\n", "d.tsv: no column looks like a prompt"),
        "a wrong suffix": text("d.txt", GOOD, "d.txt is not a kind of file that can be read."),
        "a pickle": Bad("d.pkl", b"\x80\x04cos\nsystem\n", "d.pkl is not a kind of file that can be read."),
        "gzip that is none": Bad("d.jsonl.gz", b"not gzip", "d.jsonl.gz cannot be read (Not a gzipped file"),
        "gzip that is cut": Bad("d.jsonl.gz", gzip.compress(GOOD.encode() * 99)[:-9], "d.jsonl.gz cannot be read ("),
        "gzip with a wrong sum": Bad(
            "d.jsonl.gz", gzip.compress(GOOD.encode())[:-8] + bytes(8), "d.jsonl.gz cannot be read (CRC check failed"
        ),
        "gzip in gzip": Bad("d.jsonl.gz", gzip.compress(gzip.compress(GOOD.encode())), "line 1: the text is not UTF-8"),
        "text named Parquet": text("d.parquet", GOOD * 9, "d.parquet is not a usable Parquet file"),
        "a zip named Parquet": Bad("d.parquet", b"PK\x03\x04" + bytes(90), "d.parquet is not a usable Parquet file"),
        "Parquet cut by one": Bad("d.parquet", good[:-1], "d.parquet is not a usable Parquet file"),
        "Parquet cut in half": Bad("d.parquet", good[: len(good) // 2], "d.parquet is not a usable Parquet file"),
        "a footer of 2 GB": Bad("d.parquet", good[:-8] + b"\xff\xff\xff\x7f" + good[-4:], "not a usable Parquet file"),
        "zeros inside": Bad("d.parquet", good[:4] + bytes(len(good) - 300) + good[-296:], "not a usable Parquet file"),
        "Parquet's magic alone": Bad("d.parquet", b"PAR1" * 100, "d.parquet is not a usable Parquet file"),
        "a Parquet row without an answer": Bad(
            "d.parquet",
            rows({"question": "a", "answer": "b"}, {"question": "c", "answer": None}),
            "row 2: 'answer' is empty.",
        ),
        "a Parquet row of bytes": Bad(
            "d.parquet",
            rows({"question": b"a", "answer": "b"}, {"question": b"\xff", "answer": "b"}),
            "row 2: 'question' is not a text.",
        ),
        "no turn before the answer": chat(turns(assistant), "the conversation has no question before its answer."),
        "no answer in a conversation": chat(turns(user), "'messages' does not end with an answer."),
        "two answers in a row": chat(
            turns(user, assistant, assistant), "the conversation has two turns of the assistant"
        ),
        "an unknown speaker": chat(
            turns({"role": "narrator", "content": "x"}, assistant), "'messages', turn 1: nobody is called"
        ),
        "an empty turn": chat(
            turns({"role": "user", "content": " "}, assistant), "'messages', turn 1: the content is empty."
        ),
        "a turn with a picture": chat(
            turns({"role": "user", "content": [{"type": "image", "url": "x"}]}, assistant),
            "'messages', turn 1: the content is not",
        ),
        "a turn without content": chat(turns({"role": "user"}, assistant), "'messages' is not a text."),
        "an empty conversation": chat(turns(), "'messages' is not a text."),
    }


def big() -> dict[str, Bad]:
    """Files that fill memory or time where they are read carelessly."""
    import pyarrow as pa

    long = pa.table({"question": pa.array(["x" * 10**5] * 3000), "answer": pa.array(["1"] * 3000)})
    nested = pa.table({"question": pa.array([["x" * 1000] * 1000] * 300)})
    return {
        "a line of 50 MB": line(
            json.dumps({"question": "x" * (50 * MB), "answer": "1"}), "'question' has 50,000,000 characters"
        ),
        "50 MB without a line end": text("d.jsonl", "x" * (50 * MB), "d.jsonl, line 1: is not JSON (Expecting value"),
        "a CSV line of 50 MB": text("d.csv", "question,answer\n" + "x" * (50 * MB), "line 2: is not CSV (field larger"),
        "20 MB of quotes": text("d.csv", "question,answer\n" + '"' * (20 * MB), "d.csv, line 2: is not CSV"),
        "5 MB of commas": text("d.csv", "question,answer\n" + "," * (5 * MB), "line 2: has 5,000,001 cells"),
        "a million empty lists": text("d.json", "[" + "[]," * 10**6 + "[]]", "d.json, row 1: is a list"),
        "300,000 lines cut short": text("d.jsonl", "{\n" * 300_000, "d.jsonl, line 1: is not JSON"),
        "a JSON text of 50 MB in one entry": text("d.json", '["' + "x" * (50 * MB) + '"]', "row 1: is a text, not an"),
        "gzip of 1 GB": Bad("d.jsonl.gz", gzip.compress(b"x" * MB) * 1000, "d.jsonl.gz unpacks to more than"),
        "Parquet of 300 MB": Bad("d.parquet", parquet(long), "d.parquet unpacks to more than"),
        "Parquet of 300 MB in lists": Bad("d.parquet", parquet(nested), "d.parquet unpacks to more than"),
    }


def write(folder: Path, corpus: dict[str, Bad]) -> dict[str, Path]:
    """Each file in a folder of its own, as their names repeat."""
    paths = {}
    for place, (name, bad) in enumerate(corpus.items()):
        paths[name] = folder / f"{place:03}" / bad.file
        paths[name].parent.mkdir(parents=True)
        paths[name].write_bytes(bad.content)
    return paths


def measure(folder: Path) -> None:
    """Open every file in a fork of this process, which has everything imported that a reader needs."""
    import pyarrow.parquet

    from engine.config import DataConfig
    from engine.data.examples import open_dataset
    from engine.errors import DatasetError

    assert pyarrow.parquet  # imported, so that no child has to
    for path in sorted(folder.glob("*/*")):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                open_dataset(DataConfig(source=str(path), held_out=1), 0)
                said = "nothing"
            except DatasetError as error:
                said = str(error)
            except BaseException as error:
                said = f"!{type(error).__name__}: {error}"
            os.write(writer, said.encode()[:4000])
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            said = pipe.read().decode(errors="replace")
        _, _, used = os.wait4(child, 0)
        seconds = used.ru_utime + used.ru_stime
        print(json.dumps([path.parent.name, said, seconds, used.ru_maxrss * 1024]))


if __name__ == "__main__":
    measure(Path(sys.argv[1]))
