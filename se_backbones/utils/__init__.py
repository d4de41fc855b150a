"""What several packages need and no library has."""
