"""One run: built, learned, executed, recorded."""
