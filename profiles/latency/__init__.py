"""Windows of histograms as quantiles, burns and trials, and the objectives they are held against. Pure."""
