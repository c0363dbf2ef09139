"""The script spoken, and mixed into its film."""
