"""Proofs: the journal proves itself, and every copy is compared with it."""
