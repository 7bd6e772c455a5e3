"""How a scanner makes a scan: what each axis keeps of the head, noise, and the way back (data consistency)."""
