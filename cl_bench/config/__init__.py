"""What may be asked for: typed settings, composition, choices, recipes."""
