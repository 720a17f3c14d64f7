"""What can be proved of a program as JAX traces it."""
