"""What every part stands on: the service locator, lifecycles, background loops, errors, time."""
