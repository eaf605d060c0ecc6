"""The documents' own commands and scripts, run as a reader would."""
