"""One reader per family of data sets; all read by column or key name and account for every row they leave out."""
