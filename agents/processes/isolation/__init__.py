"""What stands around an engine's processes: one file a tier, chosen once when the agent starts.

    choose ──► Tier ── place (a cgroup, limits) ──► start (how the shim is run)

After a start nothing needs its tier any more: the engine's handle names the cgroup, and that is all there is to know.
"""
