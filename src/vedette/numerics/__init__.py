"""What a number is: fixed-point formats and integer operators, bit-true, in NumPy."""
