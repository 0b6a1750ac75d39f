"""The fake driver speaks NVIDIA's own binary interface, as pynvml and tools without pynvml expect it."""

import ctypes
import re
import subprocess
from pathlib import Path
from types import ModuleType

from tests.fakes.nvml.build import SOURCES, build, exports, header
from tests.fakes.nvml.driver import MIB, FakeDriver

STRUCT = re.compile(r"\bnvml\w+_t\b")


def test_every_struct_that_the_fake_fills_has_the_size_that_pynvml_expects(tmp_path: Path, nvml: ModuleType) -> None:
    used = {name for source in SOURCES.glob("*.[ch]") for name in STRUCT.findall(source.read_text())}
    expected = {
        name: ctypes.sizeof(found)
        for name in used
        if isinstance(found := getattr(nvml, f"c_{name}", None), type) and issubclass(found, ctypes.Structure)
    }
    assert len(expected) > 15
    program = tmp_path / "sizes"
    lines = "".join(f'printf("{name} %zu\\n", sizeof({name}));' for name in expected)
    source = f"#include <stdio.h>\n#include <nvml.h>\nint main(void) {{ {lines} return 0; }}"
    compiler = ["gcc", "-xc", "-", "-isystem", str(header().parent), "-o", str(program)]
    subprocess.run(compiler, input=source, text=True, check=True, capture_output=True)
    printed = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    assert {name: int(size) for name, size in map(str.split, printed.splitlines())} == expected


def test_only_what_the_header_declares_is_exported(nvml_library: Path) -> None:
    declared = set(re.findall(r"\b(nvml\w+)\(", header().read_text()))
    found = exports(nvml_library)
    assert found <= declared
    assert len(found) > 110


def test_bare_names_answer_the_oldest_structs(driver: FakeDriver, nvml: ModuleType, nvml_library: Path) -> None:
    driver.hold(0, 4242, 100)
    driver.hold(0, 4243, 200)

    class Process(ctypes.Structure):
        _fields_ = [("pid", ctypes.c_uint), ("used", ctypes.c_ulonglong)]

    found, count = (Process * 2)(), ctypes.c_uint(2)
    device = nvml.nvmlDeviceGetHandleByIndex(0)
    call = ctypes.CDLL(str(nvml_library)).nvmlDeviceGetComputeRunningProcesses
    assert call(device, ctypes.byref(count), ctypes.byref(found)) == 0
    assert [(one.pid, one.used) for one in found] == [(4242, 100 * MIB), (4243, 200 * MIB)]


def test_a_library_without_a_call_is_an_old_driver(tmp_path: Path) -> None:
    driver = FakeDriver(tmp_path, build(tmp_path, without=["nvmlDeviceGetTemperatureV"]))
    code = """
gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
print(pynvml.nvmlDeviceGetTemperature(gpu, 0))
try:
    pynvml.nvmlDeviceGetTemperatureV(gpu, 0)
except pynvml.NVMLError as error:
    print(error.value)
"""
    assert driver.python(code).split() == ["30", "13"]
