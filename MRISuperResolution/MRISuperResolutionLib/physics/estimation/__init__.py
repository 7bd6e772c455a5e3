"""What the scanner did, from the scan itself: where signal ends, windows, blurs across slices, noise."""
