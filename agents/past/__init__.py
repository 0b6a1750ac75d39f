"""What was: readings of a day, the last desired documents, and the answers to questions about them."""
