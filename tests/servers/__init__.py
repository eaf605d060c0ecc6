"""Real servers on loopback, each a context manager: free ports, a temporary folder, nothing left behind."""
