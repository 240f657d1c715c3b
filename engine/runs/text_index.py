"""The full-text index of run.db: which completions may hold a phrase. Kept by the writer, asked by search.py.

It knows the trigrams (runs of three characters) of each text and nothing of where they stand, which takes a third of
the space: it names candidates, among them all that hold the phrase, and the search reads their texts to be sure.
"""

import sqlite3
from collections.abc import Iterable, Sequence

# The index folds case itself (see `folded`), so that Python and SQLite need not agree about it. contentless: the text
# is stored once, in texts. The vocabulary lists the trigrams that begin with one or two characters.
_CREATE = """
CREATE VIRTUAL TABLE texts_fts USING fts5(
  text, content='', tokenize='trigram case_sensitive 1', detail=none, columnsize=0);
CREATE VIRTUAL TABLE texts_terms USING fts5vocab(texts_fts, row);
"""
TRIGRAM = 3
_PADDING = "\ufdd0" * (TRIGRAM - 1)  # a noncharacter: with it, every character of a text begins a trigram
_NUL = "\ufffd"  # the tokenizer stops at a NUL


class TextIndex:
    """The index as its writer sees it. Where this SQLite has no FTS5 with trigrams, nothing is indexed, and the run
    remembers that the index is not complete: a search then reads the texts instead.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        known = db.execute("SELECT complete FROM text_index").fetchone()
        self.complete = (_created(db) if known is None else bool(known[0])) and has_trigrams(db)
        if not self.complete:
            db.execute("INSERT OR REPLACE INTO text_index VALUES (1, 0)")

    def add(self, texts: Sequence[tuple[int, str]]) -> None:
        """texts: keys and texts of new completions."""
        if self.complete:
            rows = [(key, indexed(text)) for key, text in texts]
            self._db.executemany("INSERT INTO texts_fts (rowid, text) VALUES (?, ?)", rows)

    def remove(self, texts: Iterable[tuple[int, str]]) -> None:
        """Forget completions; texts: as they were added."""
        if self.complete:
            rows = [(key, indexed(text)) for key, text in texts]
            self._db.executemany("INSERT INTO texts_fts (texts_fts, rowid, text) VALUES ('delete', ?, ?)", rows)


def has_trigrams(db: sqlite3.Connection) -> bool:
    """Whether the SQLite of this connection can use the index of its database."""
    try:
        db.execute("SELECT rowid FROM texts_fts WHERE texts_fts MATCH '\"abc\"' LIMIT 1").fetchone()
    except sqlite3.OperationalError:  # no such table, module or tokenizer
        return False
    return True


def folded(text: str) -> str:
    """The text as a search compares it: a phrase is found where `folded(phrase) in folded(text)`."""
    return text.lower()


def indexed(text: str) -> str:
    """What the tokenizer is given for a text."""
    return folded(text).replace("\0", _NUL) + _PADDING


def trigrams(phrase: str, limit: int) -> list[str]:
    """Distinct trigrams of a phrase, at most `limit`; none when it is shorter than one."""
    text = folded(phrase).replace("\0", _NUL)
    return list(dict.fromkeys(text[i : i + TRIGRAM] for i in range(len(text) - TRIGRAM + 1)))[:limit]


def quoted(term: str) -> str:
    """A term as a string of the query language of FTS5, in which nothing but the quote itself has a meaning."""
    return '"' + term.replace('"', '""') + '"'


def _created(db: sqlite3.Connection) -> bool:
    try:
        db.executescript(f"BEGIN IMMEDIATE; {_CREATE} INSERT INTO text_index VALUES (1, 1); COMMIT;")
    except sqlite3.OperationalError as error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        if "no such module" in str(error) or "no such tokenizer" in str(error) or "error in tokenizer" in str(error):
            return False
        raise
    return True
