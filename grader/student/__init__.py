"""What a student meets: the command line, the pages in the terminal, the notebook, the accelerator."""
