// Multiply and accumulate, four bits unsigned: `clear` starts a new sum with this cycle's product.
module mac (
    input        clk,
    input        reset,       // synchronous, active high
    input        valid,
    input        clear,
    input  [3:0] weight,
    input  [3:0] value,
    output [9:0] sum
);
    wire [7:0] product;
    multiplier  multiply (.a(weight), .b(value), .product(product));
    accumulator add (.clk(clk), .reset(reset), .valid(valid), .clear(clear), .term(product), .sum(sum));
endmodule

module multiplier (input [3:0] a, input [3:0] b, output [7:0] product);
    assign product = a * b;
endmodule

module accumulator (
    input            clk, reset, valid, clear,
    input      [7:0] term,
    output reg [9:0] sum
);
    always @(posedge clk)
        if (reset)      sum <= 10'd0;
        else if (valid) sum <= (clear ? 10'd0 : sum) + term;
endmodule
