"""Which instance goes to which GPUs of which node, or why to none. Pure and deterministic."""
