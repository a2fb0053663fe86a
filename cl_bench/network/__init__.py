"""θ and g as vectors, and what is made of them."""
