"""What a program does in the guest that the cell's Go built, where the program does not say."""
