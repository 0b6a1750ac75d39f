"""What should be, as types: models, GPU requests, priorities, restarts, leases, gateways."""
