"""What runs on an FPGA: netlists, devices, integer networks, and the engine that runs them."""
