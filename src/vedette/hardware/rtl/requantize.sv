// LANES sums to fewer bits, a word a cycle: clip((x multiplier + half) >> shift, low, high), ties upward; each
// lane has its own scale, so that weights may have one for every output. `rescale` of
// `vedette.numerics.scaling`, saturated. With POWER multipliers are taken as 1. Latency: 3 cycles.
module requantize #(
    parameter int LANES = 16,
    parameter int IN = 32,
    parameter int OUT = 8,
    parameter int MULTIPLIER = 16,
    parameter bit POWER = 1'b0                    // shifts alone: no multiplier is built
) (
    input  logic                        clk,
    input  logic [LANES*IN-1:0]         x,        // signed
    input  logic [LANES*MULTIPLIER-1:0] multiplier,   // signed
    input  logic [LANES*6-1:0]          shift,    // 0 to IN + MULTIPLIER - 1
    input  logic signed [OUT:0]         low, high,    // as of a signed or an unsigned result
    output logic [LANES*OUT-1:0]        y
);
    localparam int PRODUCT = IN + MULTIPLIER;
    if (POWER) begin : g_unused
        // verilator lint_off UNUSEDSIGNAL
        logic unused;
        // verilator lint_on UNUSEDSIGNAL
        assign unused = ^multiplier;
    end
    logic [LANES*6-1:0] shift1;
    always_ff @(posedge clk) shift1 <= shift;
    for (genvar i = 0; i < LANES; i++) begin : g_lane
        logic [5:0] by;
        logic signed [PRODUCT-1:0] product;
        logic signed [PRODUCT:0] moved;
        assign by = shift1[i*6+:6];
        always_ff @(posedge clk) begin
            product <= POWER ? PRODUCT'(signed'(x[i*IN+:IN]))
                     : PRODUCT'(signed'(x[i*IN+:IN])) * PRODUCT'(signed'(multiplier[i*MULTIPLIER+:MULTIPLIER]));
            moved <= ((PRODUCT+1)'(product) + (((PRODUCT+1)'(1) <<< by) >>> 1)) >>> by;
            y[i*OUT+:OUT] <= moved < (PRODUCT+1)'(low) ? OUT'(low)
                           : moved > (PRODUCT+1)'(high) ? OUT'(high) : OUT'(moved);
        end
    end
endmodule
