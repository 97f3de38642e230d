"""Runs conformance cases in one process: a JSON request a line on standard input, a JSON result a line on standard output.

A request is {"kind", "name", "model", "folder", "variant"}; a result is {"status": "passed" | "wrong" | "refused", "reason", "operators", "seconds"}.
"""
import json
import os
import resource
import sys
import time
from pathlib import Path

import onnx
import tenon
import variants
from cases import Case, compare, data_sets

MEMORY = 8 << 30  # address space; a case that wants more fails by itself


def run(case: Case, variant: str) -> dict:
    model = onnx.load(case.model)
    operators = sorted({node.op_type for node in model.graph.node})
    model, sets = variants.make(variant, model, data_sets(case, model))
    status, reason = "passed", ""
    try:
        plan = tenon.compile(model, name=case.name, threads=1)
        for inputs, expected in sets:
            reason = compare(case, variant, list(plan.run(inputs).values()), expected)
            if reason:
                status = "wrong"
                break
    except tenon.Error as refusal:
        status, reason = "refused", str(refusal).strip()
    return {"status": status, "reason": reason, "operators": operators}


def main():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    # Results go to a copy of standard output; whatever else writes there goes to standard error.
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        case = Case(request["kind"], request["name"], Path(request["model"]), Path(request["folder"]))
        start = time.monotonic()
        try:
            result = run(case, request["variant"])
        except Exception as problem:  # neither Tenon's refusal nor a wrong number: reported as a crash
            result = {"status": "crashed", "reason": f"{type(problem).__name__}: {problem}", "operators": []}
        result["seconds"] = round(time.monotonic() - start, 3)
        results.write(json.dumps(result) + "\n")
        results.flush()


if __name__ == "__main__":
    main()
