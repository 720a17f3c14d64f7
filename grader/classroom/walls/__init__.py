"""What keeps a submission from everything that is not its own."""
