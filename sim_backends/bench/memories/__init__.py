"""Memory nodes on the bench: what an attempt heralds, when heralds come, and what becomes of the qubits kept."""
