"""Who may do what: API keys and the tokens of the local command line."""
