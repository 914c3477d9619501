"""OpenVLA's published weights: read into this project's checkpoints, and written back."""
