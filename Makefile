# Thin: each target installs what is missing, builds and runs. CMake's presets (release, dev, asan) are the build.
.PHONY: demo test test-asan fuzz gpu-code bench build bootstrap

bootstrap:
	@scripts/bootstrap.sh

build: bootstrap
	@cmake --preset release --log-level=WARNING
	@cmake --build build/release

demo: bootstrap
	@cmake --preset release --log-level=WARNING
	@cmake --build build/release --target tenon classify-files
	@examples/demo/run.sh build/release

test:
	@scripts/bootstrap.sh test
	@.venv/bin/python scripts/test.py

test-asan:
	@scripts/bootstrap.sh test
	@.venv/bin/python scripts/test.py --asan

fuzz: bootstrap
	@.venv/bin/python scripts/test.py --fuzz

gpu-code:
	@scripts/bootstrap.sh test
	@.venv/bin/python scripts/test.py --gpu-code

bench: build
	@scripts/bootstrap.sh bench
	@bench/.venv/bin/python bench/compare.py --tenon build/release/bin/tenon $(BENCH_FLAGS)
	@bench/.venv/bin/python bench/readme.py
