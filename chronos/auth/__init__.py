"""Who is asking, and what they may do: API keys and their scopes."""
