// LANES exponentials of -x by HeatViT's polynomial, a word a cycle: `exp_integer` of
// `vedette.numerics.approximations`. x has `frac` fractional bits, y has 15. Latency: 6 cycles.
//   x = z ln 2 + rest, z found bit by bit;  y = (0.3585 (1.353 - rest)^2 + 0.344) >> z
module poly_exp #(
    parameter int LANES = 16,
    parameter int IN = 17,
    parameter int FRAC_MOST = 8,                  // 14 at most; above 8 squares need more than a DSP
    localparam int F = $clog2(FRAC_MOST + 1)
) (
    input  logic                clk,
    input  logic [F-1:0]        frac,             // held while words are under way
    input  logic [LANES*IN-1:0] x,                // from 0 up
    output logic [LANES*16-1:0] y
);
    // constants with 30 fractional bits, and a factor with 14
    localparam logic [30:0] LN2 = 31'd744261118, OFFSET = 31'd1452772687, REST = 31'd369367187;
    localparam logic [13:0] FACTOR = 14'd5874;
    localparam int INNER = FRAC_MOST + 8;         // fractional bits of what lies between
    localparam int WIDE = IN + 8 > INNER + 4 ? IN + 8 : INNER + 4;
    logic [4:0] inner, drop;
    logic [31:0] half;
    logic [INNER-1:0] ln2, rest;
    logic [INNER:0] offset;
    assign drop = 5'd22 - 5'(frac);
    assign half = 32'd1 << (5'd21 - 5'(frac));
    always_ff @(posedge clk) begin
        inner <= 5'(frac) + 5'd8;
        ln2 <= INNER'((32'(LN2) + half) >> drop);
        rest <= INNER'((32'(REST) + half) >> drop);
        offset <= (INNER+1)'((32'(OFFSET) + half) >> drop);
    end
    for (genvar i = 0; i < LANES; i++) begin : g_lane
        logic [WIDE-1:0] fine, less8;
        logic [INNER+2:0] less4, kept4, less2;
        logic [INNER:0] less1, apart;
        logic [3:0] z;
        logic [1:0] z_high;
        logic [3:0] z2, z3, z4, z5;
        logic far, far2, far3, far4, far5;
        logic [2*INNER+1:0] apart2;
        logic [INNER+1:0] square;
        logic [INNER+15:0] scaled;
        logic [INNER:0] mantissa;
        assign fine = WIDE'(x[i*IN+:IN]) << 8;
        assign less8 = fine >= WIDE'(ln2) << 3 ? fine - (WIDE'(ln2) << 3) : fine;
        assign less4 = (INNER+3)'(less8 >= WIDE'(ln2) << 2 ? less8 - (WIDE'(ln2) << 2) : less8);
        assign z[3:2] = z_high;
        assign z[1] = kept4 >= (INNER+3)'(ln2) << 1;
        assign less2 = z[1] ? kept4 - ((INNER+3)'(ln2) << 1) : kept4;
        assign z[0] = less2 >= (INNER+3)'(ln2);
        assign less1 = (INNER+1)'(z[0] ? less2 - (INNER+3)'(ln2) : less2);
        assign mantissa = (INNER+1)'((scaled + (INNER+16)'(8192)) >> 14) + (INNER+1)'(rest);
        always_ff @(posedge clk) begin
            z_high <= {fine >= WIDE'(ln2) << 3, less8 >= WIDE'(ln2) << 2};
            far <= fine >= WIDE'(ln2) << 4;       // nothing is left
            kept4 <= less4;
            apart <= offset - less1;
            {z5, z4, z3, z2} <= {z4, z3, z2, z};
            {far5, far4, far3, far2} <= {far4, far3, far2, far};
            apart2 <= (2*INNER+2)'(apart) * (2*INNER+2)'(apart);
            square <= (INNER+2)'((apart2 + ((2*INNER+2)'(1) << (inner - 5'd1))) >> inner);
            scaled <= (INNER+16)'(square) * (INNER+16)'(FACTOR);
            y[i*16+:16] <= far5 ? 16'd0 : 16'(((INNER+8)'(mantissa) << 7) >> (5'(frac) + 5'(z5)));
        end
    end
endmodule
