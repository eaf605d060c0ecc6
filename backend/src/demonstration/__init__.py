"""A small accelerator, simulated, for those who want to see Larder at work before it meets their own."""
