"""What a conformance run found: totals, a JSON file, a table by operator."""
import json
import re
from collections import Counter, defaultdict

STATUSES = ("passed", "wrong", "refused", "crashed")
# The importer's list of what it cannot map: "  GridSample   x3   first at '/neck/Sample_4': mode 'bicubic' ...".
UNSUPPORTED = re.compile(r"^  (\S+) +x\d+ +(?:first )?at '[^']*': (.*)$", re.M)


class Results:
    def __init__(self, variant: str):
        self.variant = variant
        self.cases: dict[str, dict] = {}

    def add(self, request, result):
        self.cases[f"{request['kind']}/{request['name']}"] = result

    def totals(self, kind=None) -> Counter:
        return Counter(case["status"] for name, case in self.cases.items() if kind is None or name.startswith(kind + "/"))

    def line(self, kind=None) -> str:
        totals = self.totals(kind)
        return f"{sum(totals.values())} cases: " + ", ".join(f"{totals[status]} {status}" for status in STATUSES)

    def operator(self, name: str) -> str:
        """The operator that a case is about; for one that did not pass, the operator in its way."""
        case = self.cases[name]
        blocked = UNSUPPORTED.search(case["reason"])
        if blocked and case["status"] == "refused":
            return blocked.group(1)
        plain = self.cases.get(re.sub(r"_expanded.*$", "", name), case)
        for operators in (case["operators"], plain["operators"]):
            if len(operators) == 1:
                return operators[0]
        named = [op for op in case["operators"] if op.lower() in name.replace("_", "")]
        return max(named, key=len) if named else "(several)"

    def by_operator(self) -> dict[str, Counter]:
        groups = defaultdict(Counter)
        for name, case in self.cases.items():
            groups[self.operator(name)][case["status"]] += 1
        return dict(sorted(groups.items()))

    def refusals(self) -> dict:
        """{operator: {reason: [cases]}} of what did not pass."""
        groups = defaultdict(lambda: defaultdict(list))
        for name, case in sorted(self.cases.items()):
            if case["status"] != "passed":
                groups[self.operator(name)][f"{case['status']}: {short(case['reason'])}"].append(name)
        return groups

    def summary(self) -> str:
        groups = self.by_operator()
        width = max((len(name) for name in groups), default=8)
        lines = [f"{'operator':{width}}  " + "  ".join(f"{status:>7}" for status in STATUSES)]
        for name, counts in groups.items():
            lines.append(f"{name:{width}}  " + "  ".join(f"{counts[status] or '-':>7}" for status in STATUSES))
        lines.append("")
        for name, reasons in sorted(self.refusals().items()):
            for reason, cases in sorted(reasons.items(), key=lambda item: -len(item[1])):
                lines.append(f"{name}: {len(cases)} x {reason}, as {cases[0].split('/')[1]}")
        return "\n".join(lines)

    def write(self, path):
        cases = {name: {"operator": self.operator(name), **case} for name, case in sorted(self.cases.items())}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"variant": self.variant, "totals": self.totals(), "not_passed": self.refusals(), "cases": cases}, indent=1) + "\n")


def short(reason: str) -> str:
    """One line of a reason, without the names of the case and its node."""
    blocked = UNSUPPORTED.search(reason)
    if blocked:
        return f"{blocked.group(1)}: {blocked.group(2)}"
    lines = [line for line in reason.splitlines() if line.strip()] or [""]
    line = re.sub(r"^(error: )?[\w.-]+: ", "", lines[0].strip())
    return (line if len(line) <= 160 else line[:157] + "...")
