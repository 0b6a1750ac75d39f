"""GPU readings from one source or another, taken in a child process."""
