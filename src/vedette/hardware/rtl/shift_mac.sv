// Sum of integer products whose terms are shifted left by their group, N terms a cycle: the inner loop of
// ShiftQuant. `shift` is groups - 1 - e of numerics/grouping.py.
//
// Terms are ordered by group, so that those of a cycle share a shift, of their sum; a group's last cycle is
// filled with zeros. With EACH every term has a shift of its own, of its product, and any order will do.
// `first` starts a sum with this cycle's terms; log2 N (rounded up) + 2 cycles after `last`, `done` is 1 and `sum` is whole.
// Sums may follow one another without a pause. Cycles that are not valid add nothing.
module shift_mac #(
    parameter int N = 8,
    parameter int A = 4,            // bits of a term's factors, signed
    parameter int B = 4,
    parameter int GROUPS = 4,
    parameter bit EACH = 1'b0,
    parameter int ACC = 32,         // not below A + B + GROUPS - 1 + log2 of a sum's terms
    localparam int SHIFT = GROUPS > 1 ? $clog2(GROUPS) : 1,
    localparam int SHIFTS = EACH ? N : 1,
    localparam int LEVELS = $clog2(N)
) (
    input  logic                    clk, reset,
    input  logic                    valid, first, last,
    input  logic [N*A-1:0]          a,       // the first term lowest
    input  logic [N*B-1:0]          b,
    input  logic [SHIFTS*SHIFT-1:0] shift,   // 0 .. GROUPS - 1
    output logic                    done,
    output logic signed [ACC-1:0]   sum
);
    localparam int PRODUCT = A + B + (EACH ? GROUPS - 1 : 0);
    localparam int TOTAL = PRODUCT + LEVELS;
    localparam int MOVED = TOTAL + (EACH ? 0 : GROUPS - 1);

    // one register after the products and after each level of the tree
    for (genvar level = 0; level <= LEVELS; level++) begin : g_level
        localparam int COUNT = (N + (1 << level) - 1) >> level;
        localparam int BITS = PRODUCT + level;
        logic signed [BITS-1:0] node[COUNT];
        if (level == 0) begin : g_products
            for (genvar i = 0; i < N; i++) begin : g_term
                logic signed [A+B-1:0] product;
                assign product = signed'(a[i*A+:A]) * signed'(b[i*B+:B]);
                if (EACH && GROUPS > 1) begin : g_shift
                    always_ff @(posedge clk) node[i] <= BITS'(product) <<< shift[i*SHIFT+:SHIFT];
                end else begin : g_plain
                    always_ff @(posedge clk) node[i] <= product;
                end
            end
        end else begin : g_sums
            localparam int BELOW = (N + (1 << (level - 1)) - 1) >> (level - 1);
            for (genvar i = 0; i < COUNT; i++) begin : g_sum
                if (2 * i + 1 < BELOW) begin : g_pair
                    always_ff @(posedge clk)
                        node[i] <= BITS'(g_level[level-1].node[2*i]) + BITS'(g_level[level-1].node[2*i+1]);
                end else begin : g_alone
                    always_ff @(posedge clk) node[i] <= BITS'(g_level[level-1].node[2*i]);
                end
            end
        end
    end

    logic [LEVELS:0] valids, firsts, lasts;   // bit i: i + 1 cycles ago
    logic signed [MOVED-1:0] moved;
    if (!EACH && GROUPS > 1) begin : g_shared
        logic [(LEVELS+1)*SHIFT-1:0] shifts;
        always_ff @(posedge clk) shifts <= ((LEVELS+1)*SHIFT)'({shifts, shift});
        assign moved = MOVED'(g_level[LEVELS].node[0]) <<< shifts[LEVELS*SHIFT+:SHIFT];
    end else begin : g_straight
        assign moved = g_level[LEVELS].node[0];
    end
    always_ff @(posedge clk) begin
        valids <= reset ? '0 : (LEVELS+1)'({valids, valid});
        firsts <= (LEVELS+1)'({firsts, first});
        lasts <= (LEVELS+1)'({lasts, last});
        done <= !reset && valids[LEVELS] && lasts[LEVELS];
        if (valids[LEVELS]) sum <= (firsts[LEVELS] ? '0 : sum) + ACC'(moved);
    end
endmodule
