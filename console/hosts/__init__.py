"""Bringing hosts in: what a probe finds there, what is sent, and how it is put in place, upgraded and removed."""
