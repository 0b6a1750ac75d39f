"""What the node should run against what runs: one keeper an instance, from the desired document to the board."""
