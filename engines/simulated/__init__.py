"""An engine without a model: an OpenAI-compatible server with a queueing model inside. A process of its own."""
