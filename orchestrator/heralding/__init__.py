"""Heralded entanglement: attempt batches at several nodes, one arbiter per link, corrections fed forward."""
