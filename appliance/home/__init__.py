"""Home room: what a recognized intent does. Re-exports nothing; import the file you need."""
