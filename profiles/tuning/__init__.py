"""The advisor: which settings of an engine hold it back, by what its node remembers of it. Pure.

history, objectives, room on the GPUs ──use_of──► Use ─┐
adapter's dials, wanted options ──settings_of──────────┴─► policy ──► Advice, one a knob: turned, left, not known

A policy is one file of `policies`. None knows another, and none knows who applies what it says.
"""
