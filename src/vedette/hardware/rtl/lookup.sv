// LANES functions by one table: table[clip((x + offset) >> shift, 0, last)]. Latency: two cycles.
module lookup #(
    parameter int LANES = 16,
    parameter int IN = 32,
    parameter int ENTRIES = 64,           // at least 32
    parameter int OUT = 8,
    localparam int INDEX = $clog2(ENTRIES)
) (
    input  logic                     clk,
    input  logic                     load,        // 16 entries, from 16 * `load_index` on
    input  logic [INDEX-5:0]         load_index,
    input  logic [16*OUT-1:0]        load_data,
    input  logic signed [IN-1:0]     offset,
    input  logic [4:0]               shift,
    input  logic [INDEX-1:0]         last,
    input  logic [LANES*IN-1:0]      x,           // signed
    output logic [LANES*OUT-1:0]     y
);
    (* ram_style = "registers" *)        // LANES are read at once: Yosys would try RAMs for each, without end
    logic [OUT-1:0] entries[ENTRIES];
    always_ff @(posedge clk)
        if (load) for (int i = 0; i < 16; i++) entries[{load_index, 4'(i)}] <= load_data[i*OUT+:OUT];
    for (genvar i = 0; i < LANES; i++) begin : g_lane
        logic signed [IN:0] moved;
        logic [INDEX-1:0] index;
        assign moved = ((IN+1)'(signed'(x[i*IN+:IN])) + (IN+1)'(offset)) >>> shift;
        always_ff @(posedge clk) begin
            if (moved < 0) index <= '0;
            else if (moved > (IN+1)'({1'b0, last})) index <= last;
            else index <= INDEX'(moved);
            y[i*OUT+:OUT] <= entries[index];
        end
    end
endmodule
