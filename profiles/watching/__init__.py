"""What is told to whoever is not looking: alerts and metrics. Pure but for the rules that ship."""
