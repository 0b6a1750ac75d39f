"""A ready engine tried from its own node, by a child process that is thrown away:

one streamed request (smoke), or a ramp of them (bench) ──► profiles.latency.trial.Level per concurrency
"""
