"""Engines' own environments on this node: which there are, what version each has, and new ones made."""
