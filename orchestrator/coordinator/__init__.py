"""The coordinator: which nodes there are, who owns which instrument, light leases, and the testbed's e-stop."""
