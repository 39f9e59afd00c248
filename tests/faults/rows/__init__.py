"""The rows of the fault battery, one module for each kind of fault; each registers its rows."""
