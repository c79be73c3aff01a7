"""The commands, a module for each. They parse, call, and print."""
