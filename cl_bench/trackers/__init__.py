"""Where a run's numbers are shown besides its directory: one file per tracker."""
