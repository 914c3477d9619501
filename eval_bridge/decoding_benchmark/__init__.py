"""How fast every decoder is, and why: stages, passes and fused calls, timed in turns."""
