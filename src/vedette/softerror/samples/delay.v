// Shows whether a bit equals the one that came eleven valid bits earlier: a shift register in a table.
module delay (
    input      clk,
    input      valid,
    input      in,
    output reg equal
);
    reg [10:0] past;

    always @(posedge clk)
        if (valid) begin
            past  <= {past[9:0], in};
            equal <= past[10] == in;
        end
endmodule
