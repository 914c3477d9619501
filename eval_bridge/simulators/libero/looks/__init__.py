"""Looks at random: colours, textures, shine, light, cameras and the arm's posture, drawn anew for an episode.

```
settings    how much is random; by default nothing
values      what was drawn, as it stands with a demonstration
recolouring another colour that keeps a texture's structure
images      textures that tables, floors and walls may have
parts       what of a compiled scene is changed together: things of a class, surfaces of the room
applying    changes a compiled scene, and takes back what it changed
drawing     draws looks from a seed, none of them withheld
```

Nothing is compiled, and physics do not change: the arm's start, which may be drawn too, is part of an episode's start.
"""
