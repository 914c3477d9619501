"""Where everything of a run lies in its folder."""

TRAINED_STAGES = ("rfsq", "policy", "draft", "main_head")
"""The stages that are trained, in order; each has the folder ``RUN/STAGE``."""
