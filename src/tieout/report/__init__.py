"""Shows a tie-out: HTML, CSV, data for JSON, lines for a terminal."""
