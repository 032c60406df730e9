"""What the cell's Go says about the source of the runtime, where it is built and without a guest."""
