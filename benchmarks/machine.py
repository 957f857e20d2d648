"""What a time depends on: the machine, its software and threads."""

import os
import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import tensorflow as tf

_VARIABLES = ("OMP_", "KMP_", "MKL_", "TF_NUM_", "TF_ENABLE_ONEDNN", "TF_XLA_FLAGS", "XLA_FLAGS")


def cores() -> int:
    """Those this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


PACKAGES = ("tensorflow", "keras", "torch", "numpy")


def describe(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Facts for a reader who has another machine; with the versions of `packages`."""
    facts = {
        "CPU": _line_of("/proc/cpuinfo", "model name") or platform.processor() or "unknown",
        "cores": str(cores()),
        "memory": _memory(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "Python": platform.python_version(),
    }
    for package in packages:
        try:
            facts[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            facts[package] = "not installed"
    facts["TensorFlow threads"] = (
        f"intra-op {tf.config.threading.get_intra_op_parallelism_threads() or 'all cores'}, "
        f"inter-op {tf.config.threading.get_inter_op_parallelism_threads() or 'all cores'}"
    )
    set_ = [f"{n}={v}" for n, v in sorted(os.environ.items()) if n.startswith(_VARIABLES)]
    facts["thread and XLA variables"] = " ".join(set_) or "none set"
    if hasattr(os, "getloadavg"):
        facts["load before the run (1, 5, 15 minutes)"] = ", ".join(
            f"{load:.1f}" for load in os.getloadavg()
        )
    return facts


def _memory() -> str:
    kilobytes = _line_of("/proc/meminfo", "MemTotal").split()
    return f"{int(kilobytes[0]) / 2**20:.1f} GiB" if kilobytes else "unknown"


def _line_of(path: str, name: str) -> str:
    """The value of the first `name: value` line of a file, empty if there is none."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
