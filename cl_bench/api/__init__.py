"""What Python is offered: the commands as functions, their results as objects."""
