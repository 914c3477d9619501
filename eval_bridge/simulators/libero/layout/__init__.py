"""Layouts at random: where things stand in a task's scene, drawn anew for an episode.

```
settings    how much is random; by default nothing
roles       which thing the words mean, and by what they tell it from one that looks the same
scene       what a draw knows of a scene: bodies, level places on fixtures, the table, the camera
measuring   reads that from a simulator that has settled into a start of its own
arrangement where everything is after some of it was moved; what stands on a thing moves with it
drawing     draws a layout: a pure function of a generator, a scene and settings
checking    whether things lie still where they were put, by physics
starting    the start of an episode in a layout, from a seed
```

Nothing is compiled: a layout changes poses in an `EpisodeStart`. The strangers that it may put somewhere are in the
scene already (`eval_bridge.simulators.libero.strangers`).
"""
