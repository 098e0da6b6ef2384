"""The pilot: iterations and methods tried on one volume of each channel, before a run."""
