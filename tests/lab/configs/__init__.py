"""The configurations of the lab's daemons: frozen settings, and pure functions from settings to a recipe."""
