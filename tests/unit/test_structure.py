"""The walls of the design, read off the source: who imports whom, what stays out, how long things get."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for part in ("engine", "dashboard") for path in (ROOT / part).rglob("*.py"))
HEAVY = ("torch", "transformers", "peft", "accelerate")
LIGHT_MODULES = [
    "engine.check_client", "engine.config", "engine.config_advice", "engine.config_io", "engine.errors",
    "engine.glossary", "engine.measure", "engine.memory", "engine.presets", "engine.recipes", "engine.seeds",
    "engine.analysis.evaluation", "engine.analysis.groups", "engine.analysis.what_if_run", "engine.data.checks",
    "engine.data.examples", "engine.data.paste", "engine.data.preview_client", "engine.models.catalog",
    "engine.preflight.advice", "engine.preflight.folder", "engine.rescore_client", "engine.reward_check.client",
    "engine.rewards.registry", "engine.rewards.score", "engine.runs.best", "engine.runs.fork", "engine.runs.launch",
    "engine.runs.manage", "engine.runs.notes", "engine.runs.reader", "engine.runs.search", "engine.runs.status",
    "engine.runs.store", "engine.trl.config",
]  # fmt: skip


def modules(folder: str, suffix: str = "*.py") -> list[Path]:
    return sorted((ROOT / folder).rglob(suffix))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def offenders(paths: list[Path], *packages: str) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in paths
        for name in imports(path)
        if name.split(".")[0] in packages
    ]


def loaded_by(code: str) -> set[str]:
    command = f"import sys; {code}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, cwd=ROOT, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


def test_the_engine_never_imports_the_dashboard_or_streamlit() -> None:
    assert offenders(modules("engine"), "dashboard", "streamlit") == []


def test_the_dashboard_source_names_no_heavy_library() -> None:
    assert offenders(modules("dashboard"), *HEAVY) == []


def test_light_packages_load_without_torch() -> None:
    loaded = loaded_by("; ".join(f"import {name}" for name in LIGHT_MODULES))
    assert loaded & {*HEAVY, "streamlit"} == set()
    assert "engine" in loaded


def test_all_of_the_dashboard_loads_without_torch() -> None:
    names = [
        ".".join(p.relative_to(ROOT).with_suffix("").parts) for p in modules("dashboard") if "app_pages" not in p.parts
    ]
    names = [n.removesuffix(".__init__") for n in names if n not in ("dashboard.app", "dashboard.__main__")]
    loaded = loaded_by("; ".join(f"import {name}" for name in names))
    assert loaded & set(HEAVY) == set()
    assert {"dashboard", "streamlit"} <= loaded


CHARTS = sorted((ROOT / "dashboard").glob("*charts.py"))


@pytest.mark.parametrize("path", [*modules("engine/grpo"), *modules("engine/analysis"), *CHARTS])
def test_pure_modules_touch_no_files_clock_or_process(path: Path) -> None:
    assert (
        offenders([path], "os", "pathlib", "time", "datetime", "sqlite3", "subprocess", "random", "io", "streamlit")
        == []
    )


def test_only_the_store_opens_databases() -> None:
    users = {path.relative_to(ROOT).as_posix() for path in SOURCES if "sqlite3.connect" in path.read_text()}
    assert users == {"engine/runs/store.py", "engine/runs/reader.py"}


# What loads or runs foreign code, or lets text be interpreted. `model.eval()` is a method, and no offence.
FORBIDDEN_CALLS = {"eval", "exec", "torch.load", "torch.save", "os.system"}
FORBIDDEN_KEYWORDS = {"shell", "unsafe_allow_html", "trust_remote_code"}  # fine with False


def forbidden(path: Path) -> Iterator[str]:
    yield from offenders([path], "pickle", "marshal", "shelve")
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            if ast.unparse(node.func) in FORBIDDEN_CALLS:
                yield ast.unparse(node)
            for keyword in node.keywords:
                if keyword.arg in FORBIDDEN_KEYWORDS and ast.unparse(keyword.value) != "False":
                    yield ast.unparse(node)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_source_file_uses_what_the_design_forbids(path: Path) -> None:
    assert list(forbidden(path)) == []


def test_files_and_functions_stay_short() -> None:
    too_long = [f"{path.name}: {n} lines" for path in SOURCES if (n := len(path.read_text().splitlines())) > 400]
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > 60:
                    too_long.append(f"{path.name}: {node.name} has {length} lines")
    assert too_long == []


def test_every_source_file_says_first_what_it_is() -> None:
    assert [str(path) for path in SOURCES if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_torch_is_pinned_to_one_version_and_every_install_names_the_constraints() -> None:
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch==")]
    assert len(pins) == 1 and re.fullmatch(r"torch==\d+\.\d+\.\d+", pins[0])
    installs = [line for line in (ROOT / "Makefile").read_text().splitlines() if "pip install" in line]
    assert installs and all("--constraint constraints.txt" in line for line in installs)


def test_the_installed_torch_is_the_pinned_one_and_brought_no_cuda_packages() -> None:
    from importlib.metadata import distributions, version

    pinned = re.search(r"^torch==(\S+)$", (ROOT / "constraints.txt").read_text(), re.M)
    assert pinned is not None and version("torch").split("+")[0] == pinned[1]
    assert [name for d in distributions() if (name := d.metadata["Name"]).startswith(("nvidia-", "triton"))] == []
