"""What a profile was: numbered revisions on nodes, the ways back to them, the drift from them. Pure."""
