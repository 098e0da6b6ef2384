"""What a run will take, before any pixel is computed."""
