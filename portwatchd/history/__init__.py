"""What outlives the process: the memory of every school, and each change that was believed."""
