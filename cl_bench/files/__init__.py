"""Files that are whole or absent, and reading what is not trusted."""
