// Sum of products of IEEE halves, N terms a cycle, accumulated as halves or, WIDE, in single precision: the
// rival of shift_mac.sv, with its control and its latency.
//
// Every product and every sum is rounded to nearest, ties to even, in the order of the tree: neighbors first,
// the accumulator last. SUBNORMALS as in half_multiply.sv and float_add.sv; infinities and NaN as IEEE has them.
module fp16_mac #(
    parameter int N = 8,
    parameter bit WIDE = 1'b0,
    parameter bit SUBNORMALS = 1'b0,
    localparam int OUT = WIDE ? 32 : 16,
    localparam int LEVELS = $clog2(N)
) (
    input  logic            clk, reset,
    input  logic            valid, first, last,
    input  logic [N*16-1:0] a,       // the first term lowest
    input  logic [N*16-1:0] b,
    output logic            done,
    output logic [OUT-1:0]  sum
);
    localparam int E = WIDE ? 8 : 5;
    localparam int M = WIDE ? 23 : 10;
    localparam bit FULL = SUBNORMALS && !WIDE;   // sums of halves' products are never subnormal singles

    // one register after the products and after each level of the tree
    for (genvar level = 0; level <= LEVELS; level++) begin : g_level
        localparam int COUNT = (N + (1 << level) - 1) >> level;
        logic [OUT-1:0] node[COUNT];
        if (level == 0) begin : g_products
            for (genvar i = 0; i < N; i++) begin : g_term
                logic [OUT-1:0] product;
                half_multiply #(.WIDE(WIDE), .SUBNORMALS(SUBNORMALS)) times (
                    .x(a[i*16+:16]), .y(b[i*16+:16]), .product);
                always_ff @(posedge clk) node[i] <= product;
            end
        end else begin : g_sums
            localparam int BELOW = (N + (1 << (level - 1)) - 1) >> (level - 1);
            for (genvar i = 0; i < COUNT; i++) begin : g_sum
                if (2 * i + 1 < BELOW) begin : g_pair
                    logic [OUT-1:0] both;
                    float_add #(.E(E), .M(M), .SUBNORMALS(FULL)) plus (
                        .x(g_level[level-1].node[2*i]), .y(g_level[level-1].node[2*i+1]), .sum(both));
                    always_ff @(posedge clk) node[i] <= both;
                end else begin : g_alone
                    always_ff @(posedge clk) node[i] <= g_level[level-1].node[2*i];
                end
            end
        end
    end

    logic [LEVELS:0] valids, firsts, lasts;   // bit i: i + 1 cycles ago
    logic [OUT-1:0] next;
    float_add #(.E(E), .M(M), .SUBNORMALS(FULL)) accumulate (.x(sum), .y(g_level[LEVELS].node[0]), .sum(next));
    always_ff @(posedge clk) begin
        valids <= reset ? '0 : (LEVELS+1)'({valids, valid});
        firsts <= (LEVELS+1)'({firsts, first});
        lasts <= (LEVELS+1)'({lasts, last});
        done <= !reset && valids[LEVELS] && lasts[LEVELS];
        if (valids[LEVELS]) sum <= firsts[LEVELS] ? g_level[LEVELS].node[0] : next;
    end
endmodule
