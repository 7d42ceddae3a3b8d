"""Measurements: what a machine does, under which load, with which promises on."""
