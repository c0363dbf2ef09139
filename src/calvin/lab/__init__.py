"""Where puppet films meet training, evaluation and adaptation: material, held-out sets, studies and their tables."""
