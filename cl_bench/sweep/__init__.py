"""Many runs carried out: plan, estimate, outcomes."""
