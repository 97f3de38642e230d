"""The checked-in lists of cases that do not pass yet, with their reasons: expected/VARIANT.txt, written by --update.

Wrong numbers and crashes are failures whether listed or not; so is a case that is refused and not listed: it used to pass.
"""
from pathlib import Path

from report import Results, short

FOLDER = Path(__file__).parent / "expected"


def path(variant: str) -> Path:
    return FOLDER / f"{variant}.txt"


def read(variant: str) -> dict[str, str]:
    """{case: reason}."""
    lines = path(variant).read_text().splitlines() if path(variant).exists() else []
    return dict(line.split("\t", 1) for line in lines if line and not line.startswith("#"))


def write(results: Results) -> None:
    """Replaces what the list says of the cases that were run."""
    listed = {case: reason for case, reason in read(results.variant).items() if case not in results.cases}
    listed |= {case: short(result["reason"]) for case, result in results.cases.items() if result["status"] == "refused"}
    FOLDER.mkdir(exist_ok=True)
    lines = ["# Written by --update: cases that are refused, and why."]
    path(results.variant).write_text("\n".join(lines + [f"{case}\t{reason}" for case, reason in sorted(listed.items())]) + "\n")


def failures(results: Results) -> list[str]:
    """What must not be: a line for each case."""
    listed = read(results.variant)
    out = []
    for case, result in sorted(results.cases.items()):
        if result["status"] in ("wrong", "crashed"):
            out.append(f"{result['status']}: {case}: {short(result['reason'])}")
        elif result["status"] == "refused" and case not in listed:
            out.append(f"used to pass: {case}: {short(result['reason'])}")
    return out


def outdated(results: Results) -> list[str]:
    """Listed cases that pass now."""
    return [case for case in read(results.variant) if results.cases.get(case, {}).get("status") == "passed"]


def check(results: Results) -> int:
    """Prints what is wrong and a last line of counts; returns an exit status."""
    bad = failures(results)
    print(*bad, sep="\n")
    better = outdated(results)
    if better:
        print(f"{len(better)} cases that {path(results.variant).name} lists pass now, as {better[0]}: run with --update")
    totals = results.totals()
    print(f"{totals['passed']} passed, {len(bad)} failed, {sum(totals.values()) - totals['passed'] - len(bad)} skipped")
    return int(bool(bad))
