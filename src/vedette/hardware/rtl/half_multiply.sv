// x * y of IEEE halves, in one go: to the nearest half, ties to even, or, WIDE, exactly, in single precision.
//
// Without SUBNORMALS a subnormal operand counts as a zero of its sign, and so does a product that is still
// below 2^-14 after it was rounded to 11 bits. What is not a number is the quiet NaN with an empty payload.
module half_multiply #(
    parameter bit WIDE = 1'b0,
    parameter bit SUBNORMALS = 1'b0,
    localparam int OUT = WIDE ? 32 : 16
) (
    input  logic [15:0]    x, y,
    output logic [OUT-1:0] product
);
    logic sign, x_zero, y_zero, is_zero, is_nan, is_infinite;
    logic [10:0] x_whole, y_whole;
    logic [4:0] x_from, y_from;   // exponents; those of subnormals are that of the least normal
    assign sign = x[15] ^ y[15];
    assign x_zero = x[14:10] == '0 && (!SUBNORMALS || x[9:0] == '0);
    assign y_zero = y[14:10] == '0 && (!SUBNORMALS || y[9:0] == '0);
    assign is_zero = x_zero || y_zero;
    assign is_infinite = x[14:10] == '1 || y[14:10] == '1;
    assign is_nan = (x[14:10] == '1 && (x[9:0] != '0 || y_zero)) || (y[14:10] == '1 && (y[9:0] != '0 || x_zero));
    assign x_whole = {x[14:10] != '0, x[9:0]};
    assign y_whole = {y[14:10] != '0, y[9:0]};
    assign x_from = (SUBNORMALS && x[14:10] == '0) ? 5'd1 : x[14:10];
    assign y_from = (SUBNORMALS && y[14:10] == '0) ? 5'd1 : y[14:10];

    logic [21:0] exact, normal;   // normal: the leading bit at the top
    logic [4:0] lead;
    assign exact = x_whole * y_whole;
    always_comb begin
        normal = exact;
        lead = '0;
        if (SUBNORMALS) begin
            for (int k = 4; k >= 0; k--)
                if ((normal >> (22 - (1 << k))) == '0) begin
                    lead[k] = 1'b1;
                    normal = normal << (1 << k);
                end
        end else if (!exact[21]) begin
            lead[0] = 1'b1;
            normal = exact << 1;
        end
    end
    logic signed [7:0] both;      // exponent of the leading bit, as a half's is kept
    assign both = 8'(x_from) + 8'(y_from) - 8'(lead) - 8'd14;

    if (WIDE) begin : g_single    // no product of halves is subnormal or infinite there
        logic [7:0] exponent;
        assign exponent = both + 8'd112;
        always_comb begin
            if (is_nan) product = 32'h7FC00000;
            else if (is_infinite) product = {sign, 8'hFF, 23'd0};
            else if (is_zero) product = {sign, 31'd0};
            else product = {sign, exponent, normal[20:0], 2'b0};
        end
    end else begin : g_half
        logic [21:0] aligned;
        logic sticky, below, up, tiny, overflow;
        logic [4:0] places;
        logic signed [17:0] packed_up;
        assign below = SUBNORMALS && both < 8'sd1;
        assign places = both < -8'sd21 ? 5'd22 : 5'(8'sd1 - both);
        always_comb begin
            aligned = normal;
            sticky = 1'b0;
            if (below)
                for (int k = 4; k >= 0; k--)
                    if (places[k]) begin
                        sticky = sticky || (aligned & ~({22{1'b1}} << (1 << k))) != '0;
                        aligned = aligned >> (1 << k);
                    end
        end
        assign up = aligned[10] && (aligned[11] || aligned[9:0] != '0 || sticky);
        assign packed_up = signed'({below ? 8'd0 : both, aligned[20:11]}) + signed'(18'(up));
        assign tiny = !SUBNORMALS && (packed_up[17] || packed_up[17:10] == '0);
        assign overflow = packed_up[17:10] >= 8'sd31 && !packed_up[17];
        always_comb begin
            if (is_nan) product = 16'h7E00;
            else if (is_infinite) product = {sign, 5'h1F, 10'd0};
            else if (is_zero || tiny) product = {sign, 15'd0};
            else if (overflow) product = {sign, 5'h1F, 10'd0};
            else product = {sign, packed_up[14:0]};
        end
    end
endmodule
