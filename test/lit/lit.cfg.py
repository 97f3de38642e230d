"""lit: runs the RUN lines of test/lit; tenon-opt, tenon, FileCheck, not and split-file are on the path."""
import os
import shutil

import lit.formats

config.name = "Tenon"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.tenon_binary_dir, "test", "lit")
config.environment["PATH"] = os.pathsep.join(
    [os.path.join(config.tenon_binary_dir, "bin"), config.llvm_bin_dir, os.environ.get("PATH", "")])
for name in ("TENON_SHARED", "ASAN_OPTIONS", "UBSAN_OPTIONS"):
    if name in os.environ:
        config.environment[name] = os.environ[name]
# NVIDIA's assembler, where the compiler would find it (lib/Target/Ptxas.cpp).
if shutil.which("ptxas") or os.path.exists("/usr/local/cuda/bin/ptxas"):
    config.available_features.add("ptxas")
