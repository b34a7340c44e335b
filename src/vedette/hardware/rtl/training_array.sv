// A systolic array of SIDE x SIDE multiply-accumulate units, each with a sum of its own: a tile of a product
// of matrices. FLOAT takes fp16_mac.sv, else shift_mac.sv with a shift for each cycle; all else is the same.
//
// Row i of `a` and column j of `b` come as N terms a cycle, those of all rows and columns at once; they move
// on by a unit a cycle, and so does the control: unit (i, j) works i + j cycles behind unit (0, 0).
module training_array #(
    parameter bit FLOAT = 1'b0,
    parameter int SIDE = 4,
    parameter int N = 1,
    parameter int A = 4,             // of shift_mac.sv
    parameter int B = 4,
    parameter int GROUPS = 4,
    parameter int ACC = 32,
    parameter bit WIDE = 1'b0,       // of fp16_mac.sv
    parameter bit SUBNORMALS = 1'b0,
    localparam int SHIFT = GROUPS > 1 ? $clog2(GROUPS) : 1,
    localparam int LEFT = N * (FLOAT ? 16 : A),
    localparam int RIGHT = N * (FLOAT ? 16 : B),
    localparam int OUT = !FLOAT ? ACC : WIDE ? 32 : 16
) (
    input  logic                     clk, reset,
    input  logic                     valid, first, last,
    input  logic [SHIFT-1:0]         shift,
    input  logic [SIDE*LEFT-1:0]     a,      // row 0 lowest
    input  logic [SIDE*RIGHT-1:0]    b,      // column 0 lowest
    output logic [SIDE*SIDE-1:0]     done,   // unit (i, j) at i * SIDE + j
    output logic [SIDE*SIDE*OUT-1:0] sums
);
    localparam int CONTROL = SHIFT + 3;
    logic [(2*SIDE-1)*CONTROL-1:0] control;   // of each diagonal
    assign control[CONTROL-1:0] = {shift, last, first, valid && !reset};
    for (genvar d = 1; d < 2 * SIDE - 1; d++) begin : g_control
        always_ff @(posedge clk) begin
            control[d*CONTROL+:CONTROL] <= control[(d-1)*CONTROL+:CONTROL];
            if (reset) control[d*CONTROL] <= 1'b0;
        end
    end

    // what each unit sees; beside the first row and column, rows and columns wait for their turn
    logic [SIDE*SIDE*LEFT-1:0] lefts;
    logic [SIDE*SIDE*RIGHT-1:0] rights;
    for (genvar i = 0; i < SIDE; i++) begin : g_edge
        logic [(i+1)*LEFT-1:0] waiting_left;
        logic [(i+1)*RIGHT-1:0] waiting_right;
        assign waiting_left[LEFT-1:0] = a[i*LEFT+:LEFT];
        assign waiting_right[RIGHT-1:0] = b[i*RIGHT+:RIGHT];
        for (genvar d = 1; d <= i; d++) begin : g_wait
            always_ff @(posedge clk) begin
                waiting_left[d*LEFT+:LEFT] <= waiting_left[(d-1)*LEFT+:LEFT];
                waiting_right[d*RIGHT+:RIGHT] <= waiting_right[(d-1)*RIGHT+:RIGHT];
            end
        end
        assign lefts[i*SIDE*LEFT+:LEFT] = waiting_left[i*LEFT+:LEFT];
        assign rights[i*RIGHT+:RIGHT] = waiting_right[i*RIGHT+:RIGHT];
    end
    for (genvar i = 0; i < SIDE; i++) begin : g_row
        for (genvar j = 0; j < SIDE; j++) begin : g_unit
            localparam int U = i * SIDE + j;
            if (j > 0) begin : g_right
                always_ff @(posedge clk) lefts[U*LEFT+:LEFT] <= lefts[(U-1)*LEFT+:LEFT];
            end
            if (i > 0) begin : g_down
                always_ff @(posedge clk) rights[U*RIGHT+:RIGHT] <= rights[(U-SIDE)*RIGHT+:RIGHT];
            end
            logic own_valid, own_first, own_last;
            logic [SHIFT-1:0] own_shift;
            assign {own_shift, own_last, own_first, own_valid} = control[(i+j)*CONTROL+:CONTROL];
            if (FLOAT) begin : g_float
                fp16_mac #(.N(N), .WIDE(WIDE), .SUBNORMALS(SUBNORMALS)) unit (
                    .clk, .reset, .valid(own_valid), .first(own_first), .last(own_last),
                    .a(lefts[U*LEFT+:LEFT]), .b(rights[U*RIGHT+:RIGHT]), .done(done[U]), .sum(sums[U*OUT+:OUT]));
            end else begin : g_shift
                shift_mac #(.N(N), .A(A), .B(B), .GROUPS(GROUPS), .ACC(ACC)) unit (
                    .clk, .reset, .valid(own_valid), .first(own_first), .last(own_last), .shift(own_shift),
                    .a(lefts[U*LEFT+:LEFT]), .b(rights[U*RIGHT+:RIGHT]), .done(done[U]), .sum(sums[U*OUT+:OUT]));
            end
        end
    end
endmodule
