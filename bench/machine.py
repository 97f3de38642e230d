"""What was measured on, and with which versions."""
import datetime
import importlib.metadata
import json
import os
import platform
import subprocess


def describe(tenon):
    cpuinfo = dict(line.split(":", 1) for line in open("/proc/cpuinfo").read().split("\n\n")[0].splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in cpuinfo.items()}
    host = json.loads(subprocess.run([str(tenon), "targets", "--json"], capture_output=True, text=True, check=True).stdout)[0]
    memory = next(int(line.split()[1]) << 10 for line in open("/proc/meminfo") if line.startswith("MemTotal"))
    version = subprocess.run([str(tenon), "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    return {"cpu": fields.get("model name", platform.processor()), "cpus": len(os.sched_getaffinity(0)), "features": host["features"], "vector_bits": host["vector_bits"],
            "l1_bytes": host["l1_bytes"], "l2_bytes": host["l2_bytes"], "l3_bytes": host["l3_bytes"], "memory_bytes": memory, "system": f"{platform.system()} {platform.release()}",
            "date": datetime.date.today().isoformat(), "tenon": version, "onnxruntime": importlib.metadata.version("onnxruntime"), "openvino": importlib.metadata.version("openvino")}
