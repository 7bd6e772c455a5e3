"""Where the data lies: subjects, manifests, BIDS trees, what was read before."""
