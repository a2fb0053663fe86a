"""From many runs on disk to tables, figures and pages."""
