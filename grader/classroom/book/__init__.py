"""What is known of a class: verdicts, points, lateness, the roster, and what other systems import."""
