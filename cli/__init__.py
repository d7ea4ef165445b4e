"""The command `lfl`."""
