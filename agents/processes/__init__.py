"""An engine's processes: start them behind a shim, know them again, isolate them, end them all."""
