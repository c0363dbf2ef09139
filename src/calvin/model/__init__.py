"""The CALVIN model: configuration, projector, composite, processor, assembly, tuning, generation."""
