"""The paper's stages at full size: recipes, data files, dry runs and what a step costs."""
