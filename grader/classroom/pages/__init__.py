"""What people read of it: feedback for students, the report for instructors, JSON for machines."""
