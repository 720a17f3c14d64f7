"""Where an implementation is called: a student's in a process that holds nothing else, a reference in one that meets no
student's."""
