"""Charts as SVG without a library: scales, ticks and the shapes of all drawings."""
