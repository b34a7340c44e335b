// A memory with a read and a write port; what is read comes a cycle later, the old value where both meet.
module memory #(
    parameter int WIDTH = 64,
    parameter int DEPTH = 512,
    localparam int ADDRESS = $clog2(DEPTH)
) (
    input  logic               clk,
    input  logic               we,
    input  logic [ADDRESS-1:0] waddr,
    input  logic [WIDTH-1:0]   wdata,
    input  logic [ADDRESS-1:0] raddr,
    output logic [WIDTH-1:0]   rdata
);
    logic [WIDTH-1:0] cells[DEPTH];
    always_ff @(posedge clk) begin
        if (we) cells[waddr] <= wdata;
        rdata <= cells[raddr];
    end
endmodule
