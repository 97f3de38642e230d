#!/bin/sh
# Compiles the model of the PyPI package `magika` (Apache-2.0) and lets it say what the files of this repository are.
#   run.sh BUILD_FOLDER [FILE...]
set -eu
build=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/../.."
magika=$(echo .venv/lib/python3*/site-packages/magika)
model=$magika/models/standard_v3_3
plan=$build/magika.plan

"$build/bin/tenon" compile "$model/model.onnx" -o "$plan"
echo
if [ $# = 0 ]; then
  # One file of each kind, and a few more.
  set -- README.md Makefile CMakeLists.txt CMakePresets.json .clang-format .gitignore scripts/bootstrap.sh scripts/test.py scripts/packages.txt \
    include/tenon/runtime.h include/tenon/runtime.hpp runtime/plan/plan.fbs dialects/nn/NNLayers.td lib/Compiler/Compiler.cpp docs/architecture.md \
    cmake/TenonConfig.cmake.in examples/demo/run.sh "$plan"
fi
exec "$build/bin/classify-files" "$plan" "$model/config.min.json" "$magika/config/content_types_kb.min.json" "$@"
