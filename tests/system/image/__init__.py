"""The image without an engine: the commands of its Dockerfile, run in a folder."""
