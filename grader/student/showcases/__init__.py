"""What a student's own answers can do together, one script for each part of the track."""
