"""Describe engines: how to launch, watch and read one. Nothing here opens or spawns anything."""
