"""The tables of run.db. One database per run, written by its engine alone.

Arrays are little-endian blobs: float32, float16 or uint32, as ARRAY_DTYPES says. SQLite cannot hold NaN, so metrics
that are not finite are NULL, and the row's `nonfinite` JSON names them: {"kl": "nan", "loss": "inf"}.
"""

from engine.glossary import METRICS

SCHEMA_VERSION = 4

REWARD_COLUMNS = tuple(f"reward_{place}" for place in range(16))  # as many as RunConfig.rewards may have


# steps.totals and steps.advantages: [B] completions in group order, of the groups that the step trained on alone, which
# have the lowest group_index; tokens.*: [length of the completion], alternatives [length, K], row by row.
ARRAY_DTYPES = {
    "totals": "<f4",
    "advantages": "<f4",
    "ids": "<u4",
    "logprobs": "<f4",
    "ref_logprobs": "<f4",
    "entropies": "<f2",
    "token_advantages": "<f4",
    "update_logprobs": "<f4",
    "alternative_ids": "<u4",
    "alternative_logprobs": "<f2",
}

METRIC_COLUMNS = tuple(METRICS)

PARSED_HEAD = 40  # an answer may be as long as a text, and a filter scans it

# Columns that readers get as float64, with NaN where the value is missing.
REAL_COLUMNS = {
    *METRIC_COLUMNS,
    *("mean", "std", "scale", "mean_length", "total", "advantage", "passed"),
    *("mean_kl", "max_kl", "mean_entropy", "mean_logprob"),
    *("pass_at_1", "seconds", "at", "finished_at"),
    *REWARD_COLUMNS,
    *("dead_share", "first_pass_rate", "last_pass_rate", "lowest", "highest"),  # of RunReader.prompt_table
}

INTEGER_COLUMNS = {
    *("step", "group_index", "completion_index", "attempt", "id"),
    *("length", "prompt_tokens", "group_size", "num_prompts", "num_generations"),
    *("times", "first_step", "last_step"),
}

SCHEMA = f"""
CREATE TABLE attempts (          -- one row per engine process that worked on the run
  attempt INTEGER PRIMARY KEY,
  started_at REAL NOT NULL, pid INTEGER NOT NULL, host TEXT NOT NULL, from_step INTEGER NOT NULL,
  ended_at REAL, outcome TEXT CHECK (outcome IN ('finished', 'stopped', 'failed')), message TEXT,
  versions TEXT NOT NULL         -- JSON: library versions, threads, device
);
CREATE TABLE heartbeat (         -- a single row: what the engine's working thread last began
  id INTEGER PRIMARY KEY CHECK (id = 1),
  at REAL NOT NULL, step INTEGER NOT NULL,  -- step: the last one that was finished
  phase TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE TABLE steps (             -- small columns first: a chart of one metric then never touches the blobs
  step INTEGER PRIMARY KEY,      -- 1-based
  {", ".join(f'"{column}" REAL' for column in METRIC_COLUMNS)},
  attempt INTEGER NOT NULL, finished_at REAL NOT NULL,
  group_size INTEGER,            -- NULL: an import has this step's numbers, but none of its completions
  digest TEXT NOT NULL,          -- of every token, reward and advantage: a replay must give the same
  nonfinite TEXT,
  rewards TEXT NOT NULL,         -- JSON: {{function: {{"mean": x, "std": y, "errors": n, "logged": {{name: x}}}}}}
  totals BLOB NOT NULL, advantages BLOB NOT NULL  -- of the groups trained on; all other columns are over all groups
);
CREATE TABLE groups (
  step INTEGER NOT NULL, group_index INTEGER NOT NULL,
  prompt_id TEXT NOT NULL, prompt TEXT NOT NULL, rendered TEXT, reference TEXT, columns TEXT NOT NULL,
  prompt_tokens INTEGER,         -- NULL, as rendered and what needs tokens below: an import does not know it
  mean REAL, std REAL, scale REAL,  -- scale: the divisor of the advantage before the guard 1e-4; NULL when not divided
  kind TEXT NOT NULL CHECK (
    kind IN ('mixed', 'solved', 'hopeless', 'truncated', 'identical', 'failed', 'other')
  ),
  pass_rate REAL, mean_length REAL, mean_kl REAL,  -- of its completions; KL is per token
  -- why dynamic sampling left the group out of the update; NULL: trained on. Discarded groups come after the others.
  discarded TEXT CHECK (discarded IN ('no_signal', 'masked')),
  PRIMARY KEY (step, group_index)
) WITHOUT ROWID;
-- The course of a prompt, and of all prompts of a run, without touching the texts in `groups`.
CREATE INDEX groups_prompt ON groups (prompt_id, step, mean, std, kind, pass_rate, mean_length, mean_kl, discarded);
CREATE TABLE completions (       -- narrow: a filter scans all of it, so what is long is in texts
  id INTEGER PRIMARY KEY,        -- completion_id(step, group_index, completion_index): a step is a range of ids
  step INTEGER NOT NULL, group_index INTEGER NOT NULL, completion_index INTEGER NOT NULL,
  length INTEGER, finish_reason TEXT CHECK (finish_reason IN ('eos', 'stop', 'length')),
  total REAL, advantage REAL NOT NULL, passed INTEGER,
  dead INTEGER NOT NULL, discarded INTEGER NOT NULL,  -- of its group: 1 when it has no signal; when it was left out
  {", ".join(f"{column} REAL" for column in REWARD_COLUMNS)},  -- of reward_functions; NULL: missing
  mean_kl REAL, max_kl REAL, mean_entropy REAL, mean_logprob REAL,
  parsed TEXT                    -- the answer that the pass reward read, when it reads one: PARSED_HEAD characters
);
CREATE TABLE texts (             -- the rest of a completion, under the same id
  id INTEGER PRIMARY KEY,
  parsed TEXT,                   -- of a longer answer all of it
  errors TEXT,                   -- JSON: {{function: what went wrong}}
  steps TEXT,                    -- JSON: {{function: [[token position, score], …]}} of rewards that score steps
  raw TEXT,                      -- JSON: {{function: value}} of what gates or limits made another number of
  text TEXT NOT NULL             -- last: SQLite walks through all of it to what comes after
);
CREATE TABLE reward_functions (  -- which function has which column of completions
  place INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE
);
CREATE TABLE text_index (        -- a single row: whether texts_fts has every text (see text_index.py)
  id INTEGER PRIMARY KEY CHECK (id = 1), complete INTEGER NOT NULL
);
CREATE TABLE tokens (
  step INTEGER NOT NULL, group_index INTEGER NOT NULL, completion_index INTEGER NOT NULL,
  ids BLOB NOT NULL,
  logprobs BLOB, ref_logprobs BLOB, entropies BLOB,  -- NULL where not measured: all of them in a discarded group
  token_advantages BLOB,         -- under process supervision; else the completion's advantage is every token's
  update_logprobs BLOB,          -- at the last of several updates that used it; NULL: as at sampling, or unused
  alternative_ids BLOB, alternative_logprobs BLOB,  -- the K likeliest tokens at each place, best first
  PRIMARY KEY (step, group_index, completion_index)
) WITHOUT ROWID;
CREATE TABLE vocabulary (id INTEGER PRIMARY KEY, piece TEXT NOT NULL, special INTEGER NOT NULL);
CREATE TABLE evaluations (
  step INTEGER PRIMARY KEY,      -- 0: before training
  at REAL NOT NULL, num_prompts INTEGER NOT NULL, num_generations INTEGER NOT NULL, seconds REAL NOT NULL,
  metrics TEXT NOT NULL,         -- JSON: {{metric: {{"value": x, "low": x, "high": x}}}}; null = not known
  pass_at_1 REAL GENERATED ALWAYS AS (json_extract(metrics, '$.pass_at_1.value')),
  prompts TEXT NOT NULL,         -- JSON: {{"id": [...], "right": [...], ...}}, an entry for each prompt
  samples TEXT NOT NULL          -- JSON: the first prompts with reference, completions and their rewards
);
CREATE TABLE events (
  id INTEGER PRIMARY KEY, at REAL NOT NULL, step INTEGER NOT NULL,
  level TEXT NOT NULL CHECK (level IN ('info', 'warning', 'error')), kind TEXT NOT NULL, message TEXT NOT NULL
);
CREATE TABLE superseded (        -- a step that a replay after resume did not reproduce: the old rows, as JSON
  step INTEGER NOT NULL, attempt INTEGER NOT NULL, payload TEXT NOT NULL, PRIMARY KEY (step, attempt)
);
"""

GROUP_BITS, COMPLETION_BITS = 20, 12  # and 31 for the step: 63 in all, what an integer key of SQLite holds


def completion_id(step: int, group_index: int, completion_index: int) -> int:
    """The key of a completion; keys are in the order of steps, groups and completions.

    Raises ValueError for what does not fit: a step from 2³¹, a group from 2²⁰ or a completion from 4096 on. A step of
    the largest config has 65,536 groups (1024 prompts in 64 rounds) of 256.
    """
    limits = ((step, 31, "step"), (group_index, GROUP_BITS, "group"), (completion_index, COMPLETION_BITS, "completion"))
    for value, bits, what in limits:
        if not 0 <= value < 1 << bits:
            raise ValueError(f"{what} {value:,} is not from 0 to {(1 << bits) - 1:,}")
    return step << (GROUP_BITS + COMPLETION_BITS) | group_index << COMPLETION_BITS | completion_index


def completion_ids(step: int, group_index: int | None = None) -> tuple[int, int]:
    """First and last possible key of a step, or of one of its groups: for `id BETWEEN ? AND ?`.

    What no run can hold, as a number from a URL may be, has a range without rows.
    """
    last_group = (1 << GROUP_BITS) - 1
    if not 0 <= step < 1 << 31 or not 0 <= (group_index or 0) <= last_group:
        return 0, -1
    first = completion_id(step, group_index or 0, 0)
    last = completion_id(step, last_group if group_index is None else group_index, (1 << COMPLETION_BITS) - 1)
    return first, last


def step_of(completion: int) -> int:
    """The step that a key belongs to."""
    return completion >> (GROUP_BITS + COMPLETION_BITS)
