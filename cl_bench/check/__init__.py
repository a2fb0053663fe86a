"""Whether choices of one's own are right with the bench."""
