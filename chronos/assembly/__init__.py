"""Composition roots: settings in, a running process out."""
