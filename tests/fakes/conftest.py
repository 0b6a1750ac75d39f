"""The fake driver is tested like anything else that tests lean on."""

from tests.fakes.nvml.fixtures import driver, nvml, nvml_library

__all__ = ["driver", "nvml", "nvml_library"]
