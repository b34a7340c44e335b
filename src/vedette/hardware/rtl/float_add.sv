// x + y in an IEEE binary format of E exponent and M fraction bits, to nearest, ties to even, in one go.
//
// Without SUBNORMALS a subnormal operand counts as a zero of its sign, and a subnormal sum becomes one (it
// would have been exact, so it makes no difference whether one looks before or after rounding). A sum that
// is not a number is the quiet NaN with an empty payload.
module float_add #(
    parameter int E = 5,
    parameter int M = 10,
    parameter bit SUBNORMALS = 1'b0
) (
    input  logic [E+M:0] x, y,
    output logic [E+M:0] sum
);
    localparam int W = M + 4;                 // significand, guard, round and sticky bit
    localparam int D = $clog2(W + 1);         // of a shift that matters
    localparam logic [E-1:0] TOP = '1;

    // the larger first
    logic swap, x_zero, y_zero, away;
    logic [E-1:0] high, low, from, distance;
    logic [M:0] major, minor;
    logic sign;
    assign swap = y[E+M-1:0] > x[E+M-1:0];
    assign {sign, high} = swap ? y[E+M:M] : x[E+M:M];
    assign low = swap ? x[E+M-1:M] : y[E+M-1:M];
    assign major = {high != '0, (SUBNORMALS || high != '0) ? (swap ? y[M-1:0] : x[M-1:0]) : M'(0)};
    assign minor = {low != '0, (SUBNORMALS || low != '0) ? (swap ? x[M-1:0] : y[M-1:0]) : M'(0)};
    assign away = x[E+M] != y[E+M];
    assign from = (SUBNORMALS && high == '0) ? E'(1) : high;
    assign distance = from - ((SUBNORMALS && low == '0) ? E'(1) : low);

    // aligned; what leaves at the right remains as a sticky bit
    logic [W-1:0] aligned;
    logic [D-1:0] places;
    logic sticky;
    assign places = distance > E'(W) ? D'(W) : D'(distance);
    always_comb begin
        aligned = {minor, 3'b0};
        sticky = 1'b0;
        for (int k = D - 1; k >= 0; k--)
            if (places[k]) begin
                sticky = sticky || (aligned & ~({W{1'b1}} << (1 << k))) != '0;
                aligned = aligned >> (1 << k);
            end
    end
    logic [W:0] total;
    assign total = away ? {1'b0, major, 3'b0} - {1'b0, aligned[W-1:1], aligned[0] | sticky}
                        : {1'b0, major, 3'b0} + {1'b0, aligned[W-1:1], aligned[0] | sticky};

    // the leading bit to the top: by steps of halving size, not below the least exponent
    logic [W:0] normal;
    logic [E:0] exponent;                     // of the bit at the top
    logic [D-1:0] lead;
    always_comb begin
        normal = total;
        lead = '0;
        for (int k = D - 1; k >= 0; k--)
            if ((normal >> (W + 1 - (1 << k))) == '0
                && (!SUBNORMALS || {1'b0, from} >= (E+1)'(lead) + (E+1)'(1 << k))) begin
                lead[k] = 1'b1;
                normal = normal << (1 << k);
            end
    end
    assign exponent = {1'b0, from} + (E+1)'(1) - (E+1)'(lead);

    // rounded; a carry moves into the exponent by itself
    logic [E+M:0] packed_up;
    logic whole, up, tiny, is_nan, is_infinite, overflow;
    assign whole = normal[W];
    assign up = normal[3] && (normal[4] || normal[2:0] != '0);
    assign packed_up = {whole ? exponent : (E+1)'(0), normal[W-1:4]} + (E+M+1)'(up);
    assign tiny = SUBNORMALS ? normal == '0 : !whole || exponent[E] || exponent == '0;
    assign overflow = packed_up[E+M:M] >= {1'b0, TOP};
    assign x_zero = x[E+M-1:M] == '0 && (!SUBNORMALS || x[M-1:0] == '0);
    assign y_zero = y[E+M-1:M] == '0 && (!SUBNORMALS || y[M-1:0] == '0);
    assign is_nan = (x[E+M-1:M] == TOP && x[M-1:0] != '0) || (y[E+M-1:M] == TOP && y[M-1:0] != '0)
                    || (x[E+M-1:M] == TOP && y[E+M-1:M] == TOP && away);
    assign is_infinite = high == TOP;
    always_comb begin
        if (is_nan) sum = {1'b0, TOP, 1'b1, (M-1)'(0)};
        else if (is_infinite || (overflow && !tiny)) sum = {sign, TOP, M'(0)};
        else if (tiny) sum = {(x_zero && y_zero) ? x[E+M] && y[E+M] : sign && total != '0, (E+M)'(0)};
        else sum = {sign, packed_up[E+M-1:0]};
    end
endmodule
