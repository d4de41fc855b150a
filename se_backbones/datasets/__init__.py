"""The datasets and transforms that the hosts lack, and what each dataset of the configs must look like on disk."""
