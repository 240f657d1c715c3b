"""`python -m engine.rewards.sandbox`: attack every sandbox of this machine, and print what came of it."""

import sys

from engine.rewards.sandbox.choose import Report, sandbox_report


def table(reports: list[Report]) -> list[str]:
    """One line for each attack with a word for each sandbox, then a line for each that is not used."""
    titles = list(dict.fromkeys(result.title for report in reports for result in report.results))
    width = max(map(len, [*titles, "attack"]))
    lines = ["  ".join([f"{'attack':{width}}", *(f"{report.name:>12}" for report in reports)])]
    for title in titles:
        words = []
        for report in reports:
            result = next((r for r in report.results if r.title == title), None)
            words.append("-" if result is None else "withstood" if result.withstood else "FAILED")
        lines.append("  ".join([f"{title:{width}}", *(f"{word:>12}" for word in words)]))
    lines.append("  ".join([f"{'seconds':{width}}", *(f"{report.seconds:12.2f}" for report in reports)]))
    return lines + [f"{report.name} is not used. {report.reason}" for report in reports if report.reason]


def main() -> int:
    reports = sandbox_report()
    chosen = next((report.name for report in reports if not report.reason), None)
    sys.stdout.write("\n".join([*table(reports), ""]))
    sys.stdout.write(
        f"Code that a model wrote is run in: {chosen}.\n" if chosen else "Code of models is not run here.\n"
    )
    return 0 if chosen else 1


if __name__ == "__main__":
    sys.exit(main())
