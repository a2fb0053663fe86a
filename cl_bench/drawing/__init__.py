"""How pictures look and how they are drawn: on paper, in a run's directory and on a page."""
