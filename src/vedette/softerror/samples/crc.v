// CRC-8 of a stream of bytes: polynomial x^8 + x^2 + x + 1, start value 0.
module crc (
    input            clk,
    input            reset,   // synchronous, active high
    input            valid,
    input      [7:0] data,
    output reg [7:0] crc
);
    function [7:0] step(input [7:0] value);
        integer i;
        begin
            step = value;
            for (i = 0; i < 8; i = i + 1)
                step = step[7] ? {step[6:0], 1'b0} ^ 8'h07 : {step[6:0], 1'b0};
        end
    endfunction

    always @(posedge clk)
        if (reset)      crc <= 8'd0;
        else if (valid) crc <= step(crc ^ data);
endmodule
