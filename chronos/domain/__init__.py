"""The core: what an account is, what may happen to it, and why not. Standard library only."""
