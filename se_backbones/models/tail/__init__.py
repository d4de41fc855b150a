"""The end of a residual unit, fused: which way it goes, and what that way needs to know of norms and tracing."""
