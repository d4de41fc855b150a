"""The data sets and transforms that the hosts lack, and what each data set of the configs must look like on disk."""
