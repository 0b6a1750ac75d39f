"""What an operator types, and how he has it his way: bindings, his keymap, his own commands."""
