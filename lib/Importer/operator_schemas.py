#!/usr/bin/env python3
"""Writes OperatorSchemas.inc: the results and attributes of ONNX's operators, from the schemas of the PyPI package onnx.

    .venv/bin/python lib/Importer/operator_schemas.py            writes the file
    .venv/bin/python lib/Importer/operator_schemas.py --check    fails where the file is not what it would write
"""
import sys
from pathlib import Path

import onnx.defs

FILE = Path(__file__).with_name("OperatorSchemas.inc")
HEADER = """// Written by operator_schemas.py: domain, operator, first opset, fewest and most results, attributes with their types; `!` where one is required.
// clang-format off
"""


def facts(schema):
    attributes = " ".join(f"{name}{'!' if attribute.required else ''}:{attribute.type.name}" for name, attribute in sorted(schema.attributes.items()))
    most = "kAnyNumber" if schema.max_output >= 2**31 - 1 else schema.max_output
    return f'{schema.min_output}, {most}, "{attributes}"'


def text():
    schemas = [schema for schema in onnx.defs.get_all_schemas_with_history() if not schema.deprecated]
    lines, before = [], None
    for schema in sorted(schemas, key=lambda schema: (schema.domain, schema.name, schema.since_version)):
        entry = (schema.domain, schema.name, facts(schema))
        if entry != before:
            lines.append(f'{{"{schema.domain}", "{schema.name}", {schema.since_version}, {entry[2]}}},\n')
        before = entry
    return HEADER + "".join(lines)


if __name__ == "__main__":
    if sys.argv[1:] != ["--check"]:
        FILE.write_text(text())
    elif FILE.read_text() != text():
        sys.exit(f"{FILE} is not what {sys.argv[0]} writes: run it")
