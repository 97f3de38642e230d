#!/usr/bin/env python3
"""Writes docs/onnx-support.md from what test/conformance/run.py left in a build folder.

    test/conformance/run.py --kind all; …--variant dynamic; …--variant constant; test/conformance/support_table.py
"""
import argparse
import json
import sys
from collections import Counter, defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(Path(__file__).parent))

import report  # noqa: E402
from variants import VARIANTS  # noqa: E402

HEAD = """# ONNX support

Written by `test/conformance/support_table.py`; do not edit. Numbers are cases of ONNX 1.23's backend tests that pass, of all there are for an
operator, compared as ONNX's own runner does. *given*: as they are. *dynamic*: every dimension of the inputs is a symbol, and of outputs only
the rank is declared. *constant*: inputs other than the first are constants. A model that needs something else is refused with a message that
names node and operator; the cases that are refused, and why, are listed in `test/conformance/expected`.
"""
REASONS = 3  # per operator; there may be more


def load(build, variant):
    results = report.Results(variant)
    results.cases = json.loads((build / f"conformance-{variant}.json").read_text())["cases"]
    return results


def subjects(given):
    """{case: the operator that it is about}, by the model as given: an operator in the way of a case does not change what the case is about."""
    about = {}
    for name, case in given.cases.items():
        plain = given.cases.get(name.split("_expanded")[0], case)
        names = {operator.rsplit(".", 1)[-1].lower(): operator for operator in [*plain["operators"], *case["operators"]]}
        compact = name.split("/test_")[-1].replace("_", "")
        fitting = [operator for short, operator in names.items() if short in compact]
        only = plain["operators"][0] if len(plain["operators"]) == 1 else None
        about[name] = only or max(fitting, key=len, default="(models)")
    return about


def ratio(counts):
    total = sum(counts.values())
    return f"{counts['passed']}/{total}" if total else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build/release")
    arguments = parser.parse_args()
    sys.path.insert(0, str(arguments.build.resolve() / "python"))
    from tenon import _tenon

    runs = {variant: load(arguments.build, variant) for variant in VARIANTS}
    about = subjects(runs["given"])
    counts = {variant: defaultdict(Counter) for variant in VARIANTS}
    reasons = defaultdict(Counter)
    for variant, results in runs.items():
        for name, case in results.cases.items():
            operator = about.get(name, "(models)")
            if name.startswith("node/"):
                counts[variant][operator][case["status"]] += 1
            if variant == "given" and case["status"] != "passed":
                reasons[operator][report.short(case["reason"]).removeprefix(f"{operator}: ")] += 1

    lines = [HEAD, "| suite | variant | cases | pass | wrong | refused | crash |", "|---|---|--:|--:|--:|--:|--:|"]
    for variant, results in runs.items():
        for kind in dict.fromkeys(name.split("/")[0] for name in results.cases):
            totals = results.totals(kind)
            lines.append(f"| {kind} | {variant} | {sum(totals.values())} | " + " | ".join(str(totals[status]) for status in report.STATUSES) + " |")

    spans = defaultdict(list)
    for domain, name, since, until in _tenon.operators():
        spans[name if not domain else f"{domain}.{name}"].append((since, until))
    known = {name.rsplit(".", 1)[-1]: name for name in spans}
    lines += ["", "| operator | opsets | given | dynamic | constant | refused |", "|---|---|--:|--:|--:|---|"]
    for operator in sorted({*counts["given"], *spans} - {known.get(name) for name in counts["given"] if name not in spans}, key=str.lower):
        full = operator if operator in spans else known.get(operator)
        opsets = ", ".join(f"{since}–{until}" for since, until in spans.get(full, []))
        why = "; ".join(text.replace("|", "\\|") for text, _ in reasons[operator].most_common(REASONS))
        lines.append(f"| {operator} | {opsets} | " + " | ".join(ratio(counts[variant][operator]) for variant in VARIANTS) + f" | {why} |")
    (ROOT / "docs/onnx-support.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
