"""Pure functions from stored numbers to what a page shows. Light: numpy and pandas, no I/O."""
