"""Blocks of an accelerator in SystemVerilog, and what runs them in Verilator."""
