// Sixteen words of four bits, in distributed RAM; the oldest is always shown at `out`.
module fifo (
    input        clk,
    input        reset,       // synchronous, active high
    input        put,
    input        take,
    input  [3:0] in,
    output [3:0] out,
    output       empty,
    output       full
);
    reg [3:0] words [0:15];
    reg [4:0] first, next;    // one bit more than an address: tells full from empty

    assign out   = words[first[3:0]];
    assign empty = first == next;
    assign full  = first == {~next[4], next[3:0]};

    always @(posedge clk) begin
        if (put && !full) words[next[3:0]] <= in;
        if (reset) begin
            first <= 5'd0;
            next  <= 5'd0;
        end else begin
            if (put && !full)   next  <= next + 5'd1;
            if (take && !empty) first <= first + 5'd1;
        end
    end
endmodule
