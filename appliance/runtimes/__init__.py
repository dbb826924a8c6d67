"""Runtimes room: the libraries that run models, one file each. Re-exports nothing; import the file you need."""
