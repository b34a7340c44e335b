// LANES GELUs by HeatViT's polynomial of the error function, a word a cycle: `gelu_integer` of
// `vedette.numerics.approximations`. x and y have `frac` fractional bits. Latency: 10 cycles.
//   u = |x| / sqrt 2;  erf = delta (1 - 0.2888 (1.769 - min(u, 1.769))^2);  y = x (1 + sign(x) erf) / 2
module poly_gelu #(
    parameter int LANES = 16,
    parameter int IN = 16,
    parameter int FRAC_MOST = 8,                  // 14 at most; above 8 squares need more than a DSP
    localparam int F = $clog2(FRAC_MOST + 1)
) (
    input  logic                clk,
    input  logic [F-1:0]        frac,             // held while words are under way
    input  logic [14:0]         delta,            // 2^14 for 1, which is the most
    input  logic [LANES*IN-1:0] x,                // signed
    output logic [LANES*IN-1:0] y
);
    // constants with 14 fractional bits, and the edge with 30
    localparam logic [13:0] ROOT = 14'd11585, CURVE = 14'd4732;
    localparam logic [30:0] EDGE = 31'd1899449287;
    localparam int INNER = FRAC_MOST + 8;         // fractional bits of what lies between
    localparam int SIZE = INNER + 1;              // of numbers up to the edge
    logic [4:0] inner;
    logic [INNER:0] one;
    logic [SIZE-1:0] edge_u;
    always_ff @(posedge clk) begin
        inner <= 5'(frac) + 5'd8;
        one <= (INNER+1)'(256) << frac;
        edge_u <= SIZE'((32'(EDGE) + (32'd1 << (5'd21 - 5'(frac)))) >> (5'd22 - 5'(frac)));
    end
    for (genvar i = 0; i < LANES; i++) begin : g_lane
        logic [8*IN-1:0] waiting;                 // x, until its factor is there
        logic [IN+13:0] rooted;
        logic [IN+7:0] size;
        logic [SIZE-1:0] apart;
        logic [2*SIZE-1:0] apart2;
        logic [SIZE:0] square;
        logic [SIZE+14:0] curved;
        logic [INNER:0] curve;
        logic [INNER+15:0] shrunk;
        logic [INNER+1:0] factor;
        logic [INNER:0] error;
        logic signed [IN+INNER+2:0] product;
        assign size = (IN+8)'((rooted + (IN+14)'(32)) >> 6);
        assign error = (INNER+1)'((shrunk + (INNER+16)'(8192)) >> 14);
        always_ff @(posedge clk) begin
            waiting <= {waiting[7*IN-1:0], x[i*IN+:IN]};
            rooted <= (IN+14)'(x[i*IN+IN-1] ? IN'(-signed'(x[i*IN+:IN])) : x[i*IN+:IN]) * (IN+14)'(ROOT);
            apart <= size >= (IN+8)'(edge_u) ? '0 : edge_u - SIZE'(size);
            apart2 <= (2*SIZE)'(apart) * (2*SIZE)'(apart);
            square <= (SIZE+1)'((apart2 + ((2*SIZE)'(1) << (inner - 5'd1))) >> inner);
            curved <= (SIZE+15)'(square) * (SIZE+15)'(CURVE);
            curve <= one - (INNER+1)'((curved + (SIZE+15)'(8191)) >> 14);     // the negative's half goes up
            shrunk <= (INNER+16)'(curve) * (INNER+16)'(delta);
            factor <= waiting[7*IN-1] ? (INNER+2)'(one) - (INNER+2)'(error) : (INNER+2)'(one) + (INNER+2)'(error);
            product <= (IN+INNER+3)'(signed'(waiting[7*IN+:IN])) * (IN+INNER+3)'(signed'({1'b0, factor}));
            y[i*IN+:IN] <= IN'((product + ((IN+INNER+3)'(1) << inner)) >>> (inner + 5'd1));
        end
    end
endmodule
