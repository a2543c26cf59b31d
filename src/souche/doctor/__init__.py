"""`souche doctor`."""
