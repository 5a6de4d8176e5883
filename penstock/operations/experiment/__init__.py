"""How the experiment of a pipeline stands: what came true of both versions, and what the rule makes of it."""
