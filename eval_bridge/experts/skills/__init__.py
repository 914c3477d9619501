"""Skills of the scripted expert: generators of actions that look at the scene anew before every action.

The caller executes each action before it asks for the next. A skill knows what it wants the hand to do, never how the
simulator works; what it cannot do it reports by `hand.SkillFailed`, so that the task level can plan again.
"""
