"""What to train: settings, presets, files of settings."""
