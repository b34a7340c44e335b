// Memories and multipliers that synthesis puts into block RAM and DSP blocks; every register starts known.
module blocks (
    input clk, rst, ce, we, wb, ea,
    input [8:0] a, b,
    input signed [17:0] x, y,
    input signed [24:0] d,
    output reg [35:0] simple,
    output reg [17:0] port_a, port_b,
    output reg [15:0] bytes, first,
    output reg [8:0] table_,
    output reg signed [47:0] sum,
    output signed [35:0] product,
    output reg signed [43:0] pre
);
    integer i;
    reg [35:0] m [0:511];       // one write port, one read port
    reg [17:0] n [0:1023];      // two ports, both write
    reg [15:0] k [0:1023];      // bytes written one by one
    reg [15:0] f [0:1023];      // shows what is written
    reg [8:0] r [0:2047];       // never written
    initial begin
        for (i = 0; i < 512; i = i + 1) m[i] = 36'h123456789 * i;
        for (i = 0; i < 1024; i = i + 1) begin n[i] = 7 * i; k[i] = 11 * i; f[i] = 13 * i; end
        for (i = 0; i < 2048; i = i + 1) r[i] = (i * i) >> 3;
        simple = 0; port_a = 0; port_b = 0; bytes = 0; first = 0; table_ = 0; sum = 0; pre = 0; xr = 0; yr = 0;
    end
    always @(posedge clk) begin if (we) m[a] <= {x, y}; simple <= m[b]; end
    always @(posedge clk) if (ea) begin if (we) n[{1'b0, a}] <= x; else port_a <= n[{1'b0, a}]; end
    always @(posedge clk) begin if (wb) n[{1'b1, b}] <= y; else port_b <= n[{1'b1, b}]; end
    always @(posedge clk) begin
        if (we) k[{1'b0, a}][7:0] <= x[7:0];
        if (wb) k[{1'b0, a}][15:8] <= y[7:0];
        bytes <= k[{1'b0, b}];
    end
    always @(posedge clk) begin
        if (we) begin f[{1'b0, a}] <= x[15:0]; first <= x[15:0]; end else first <= f[{1'b0, a}];
    end
    always @(posedge clk) table_ <= r[{a, b[1:0]}];
    reg signed [17:0] xr, yr;
    always @(posedge clk)
        if (rst) begin xr <= 0; yr <= 0; sum <= 0; end
        else if (ce) begin xr <= x; yr <= y; sum <= sum + xr * yr; end
    assign product = x * y;
    always @(posedge clk) pre <= (d + $signed({{7{x[17]}}, x})) * y;
endmodule
