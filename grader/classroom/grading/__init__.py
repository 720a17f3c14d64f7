"""Who grades, with which key: threads of this machine, or a cluster."""
