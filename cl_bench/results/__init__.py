"""The record of a run and what is made from it; knows a matrix and a config, not a method."""
