// Counts from 0 to 9 and around, where `enable` is high; `load` starts it at `start`.
module counter (
    input            clk,
    input            reset,   // asynchronous, active high
    input            enable,
    input            load,
    input      [3:0] start,
    output reg [3:0] count,
    output           last
);
    assign last = count == 4'd9;

    always @(posedge clk or posedge reset)
        if (reset)       count <= 4'd0;
        else if (load)   count <= start > 4'd9 ? 4'd0 : start;
        else if (enable) count <= last ? 4'd0 : count + 4'd1;
endmodule
