"""What every process tells about itself: log lines, traces, metrics."""
