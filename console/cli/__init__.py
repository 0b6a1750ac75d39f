"""The verbs without the screen: stdout is data, stderr is talk."""
