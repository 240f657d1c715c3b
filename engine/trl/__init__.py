"""Settings of TRL's GRPOTrainer, read from its config files and turned into ours."""
