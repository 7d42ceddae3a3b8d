"""The typed HTTP client: the one place that speaks to a running Chronos over HTTP."""
