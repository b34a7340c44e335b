"""What an upset configuration bit does to an FPGA design, for every bit of every lookup table."""
