// LANES sigmoids by straight lines with powers of two as slopes (PLAN), a word a cycle: `sigmoid_integer` of
// `vedette.numerics.approximations`. x and y have `frac` fractional bits, 5 to 14. Latency: 2 cycles.
module poly_sigmoid #(
    parameter int LANES = 16,
    parameter int IN = 16
) (
    input  logic                clk,
    input  logic [3:0]          frac,
    input  logic [LANES*IN-1:0] x,                // signed
    output logic [LANES*16-1:0] y                 // from 0 up, 2^frac for 1
);
    localparam int SIZE = IN > 17 ? IN : 17;      // of 5 with 14 fractional bits
    for (genvar i = 0; i < LANES; i++) begin : g_lane
        logic [SIZE-1:0] size;
        logic [15:0] upper, one;
        logic below;
        assign one = 16'd1 << frac;
        always_ff @(posedge clk) begin
            below <= x[i*IN+IN-1];
            size <= SIZE'(x[i*IN+IN-1] ? IN'(-signed'(x[i*IN+:IN])) : x[i*IN+:IN]);
        end
        always_comb begin
            if (size >= SIZE'(5) << frac) upper = one;
            else if (size >= SIZE'(19) << (frac - 4'd3)) upper = 16'(size >> 5) + (16'd27 << (frac - 4'd5));
            else if (size >= SIZE'(one)) upper = 16'(size >> 3) + (16'd5 << (frac - 4'd3));
            else upper = 16'(size >> 2) + (one >> 1);
        end
        always_ff @(posedge clk) y[i*16+:16] <= below ? one - upper : upper;
    end
endmodule
