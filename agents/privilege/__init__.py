"""What on a GPU host needs root: the list of it, and how an agent without that right has it done."""
