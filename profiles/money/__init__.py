"""What GPUs cost, did cost and would cost, in integers of micro-dollars. Pure but for the sheets that ship."""
