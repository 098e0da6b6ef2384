"""The parts of benchmarks/accept_gpu.py: what each measures or tries, in a process of its own, on the GPU of a node."""
