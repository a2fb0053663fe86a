"""Published numbers beside ours: recipes, their runs, verdicts, tables."""
