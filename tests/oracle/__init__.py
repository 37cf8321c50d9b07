"""Independent batch computations, written from the specifications, to hold the streams against."""
