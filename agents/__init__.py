"""One daemon per node: the only place that touches processes and GPUs."""
