"""TOML and the environment become one frozen Settings."""
