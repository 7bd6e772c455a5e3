"""What the computer gives: device, memory, cancellation, progress."""
