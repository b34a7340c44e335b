"""Netlists of FPGA primitives: what a synthesizer writes, read and checked."""
