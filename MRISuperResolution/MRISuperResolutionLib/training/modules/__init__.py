"""The LightningModules, one for each way to learn."""
