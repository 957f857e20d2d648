"""The runtimes that exported files are made for, behind one interface."""
