"""C1 to C12: each compares what was told, stored and shown, and says what does not agree."""
