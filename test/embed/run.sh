#!/bin/sh
# Installs Tenon into an empty folder, builds examples/embed against it as a stranger would, and runs the programs.
#   run.sh BUILD_FOLDER
set -eu
cd "$(dirname "$0")/../.."
build=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# check NAME COMMAND...: one test.
check() {
  name=$1
  shift
  if "$@" >"$work/log" 2>&1; then
    passed=$((passed + 1)) && echo "ok      $name"
  else
    failed=$((failed + 1)) && echo "FAILED  $name" && cat "$work/log"
  fi
}

# prints PROGRAM MODEL: the program prints the ten scores that the driver computes.
prints() { LC_ALL=C "$@" >"$work/scores" && [ "$(wc -l <"$work/scores")" = 10 ] && .venv/bin/python test/embed/compare.py "$work/expected.npz" "$work/scores"; }

readme_example() {
  sed -n '/^```c++$/,/^```$/p' README.md | sed '1d;$d' >"$work/readme.cpp"
  diff "$work/readme.cpp" examples/embed/embed.cpp
}

pkg_config() {
  flags=$(PKG_CONFIG_PATH=$(echo "$work"/prefix/lib*/pkgconfig) pkg-config --cflags --libs tenon-runtime)
  # shellcheck disable=SC2086 # a list of words
  clang-22 examples/embed/embed.c $flags -Wl,-rpath,"$work/prefix/lib" -o "$work/embed-pkg-config" && prints "$work/embed-pkg-config" "$work/model.plan"
}

check "install" cmake --install "$build" --prefix "$work/prefix"
check "configure with find_package" cmake -S examples/embed -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_C_COMPILER=clang-22 -DCMAKE_CXX_COMPILER=clang++-22
check "build" cmake --build "$work/build"
.venv/bin/python test/models/make_models.py "$work/models"
model=$work/models/residual_convolutions.onnx
check "installed driver compiles" "$work/prefix/bin/tenon" compile "$model" -o "$work/model.plan"
.venv/bin/python -c "import numpy, sys; numpy.save(sys.argv[1], numpy.full((1, 3, 32, 32), 0.5, numpy.float32))" "$work/input.npy"
check "installed driver runs" "$work/prefix/bin/tenon" run "$work/model.plan" --inputs "$work/input.npy" --outputs "$work/expected.npz"
check "C program" prints "$work/build/embed-c" "$work/model.plan"
check "C++ program" prints "$work/build/embed-cpp" "$work/model.plan"
check "compiler in a program" prints "$work/build/embed-compiler" "$model"
check "pkg-config" pkg_config
check "README's example is examples/embed/embed.cpp" readme_example
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
