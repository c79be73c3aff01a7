"""The commands, a module for each. They parse, call, and print.

Options come in, lines go out. It imports whatever a command needs.
"""
