"""What only authors and instructors run."""
