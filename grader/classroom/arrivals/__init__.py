"""What students handed in, in whatever form it arrived, becomes Submissions."""
