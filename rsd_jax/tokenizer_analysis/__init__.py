"""Measures action tokenizers on held-out demonstrations."""
