"""The fake NVIDIA driver, for the tests that read GPUs."""

from tests.fakes.nvml.fixtures import driver, nvml, nvml_library

__all__ = ["driver", "nvml", "nvml_library"]
