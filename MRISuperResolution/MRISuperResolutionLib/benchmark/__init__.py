"""What computing costs: seconds, memory, share of the machine's peak, beside plain PyTorch and MONAI in one run."""
