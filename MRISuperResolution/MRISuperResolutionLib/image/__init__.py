"""What a volume is: its grid, its voxels, their intensities; linear maps along its axes."""
