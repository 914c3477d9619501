"""The door to SLURM."""
