"""The chaos room without servers: plans, histories, verdicts."""
