"""How reliable routes over imperfect legs are, simulated: the project's own breakers, walks and hedges in made-up time.

Calls are events on a heap; no request leaves this process, no time passes, and the same seed gives the same figures.
Not in the model: failures that depend on load, several processes, streams that break off after their first content.
"""
