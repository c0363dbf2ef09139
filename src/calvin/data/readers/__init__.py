"""One reader a data set family; all read by column or key name and account for every row they leave out."""
