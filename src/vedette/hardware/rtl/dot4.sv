// Four dot products in 4 bits: two weights, signed, with two activations, from 0 up; N terms a cycle.
//
// PACKED puts the four products of a term into one multiplier: (a + b * 2^22) * (x + y * 2^11), whose lanes hold
// ax, ay, bx, by, lowest first. Eight of them may be added: N is at most 8. Latency: one cycle.
module dot4 #(
    parameter int N = 8,
    parameter bit PACKED = 1'b1,
    localparam int SUM = 8 + $clog2(N)
) (
    input  logic                    clk,
    input  logic [N*4-1:0]          a, b,   // signed, the first lowest
    input  logic [N*4-1:0]          x, y,   // from 0 up
    output logic signed [SUM-1:0]   sum_ax, sum_ay, sum_bx, sum_by
);
    if (PACKED) begin : g_packed
        logic signed [47:0] total, next;
        always_comb begin
            next = '0;
            for (int i = 0; i < N; i++)
                next += 48'(signed'(27'(signed'(a[i*4+:4])) + (27'(signed'(b[i*4+:4])) <<< 22))
                            * signed'({2'b0, 16'(x[i*4+:4]) + (16'(y[i*4+:4]) << 11)}));
        end
        always_ff @(posedge clk) total <= next;
        // what lies below a lane, where it is negative, had borrowed from it
        assign sum_ax = SUM'(signed'(total[10:0]));
        assign sum_ay = SUM'(12'(signed'(total[21:11])) + 12'(signed'({1'b0, total[10]})));
        assign sum_bx = SUM'(12'(signed'(total[32:22])) + 12'(signed'({1'b0, total[21]})));
        assign sum_by = SUM'(12'(signed'(total[43:33])) + 12'(signed'({1'b0, total[32]})));
    end else begin : g_plain
        logic signed [SUM-1:0] next[4];
        always_comb begin
            next = '{default: '0};
            for (int i = 0; i < N; i++) begin
                next[0] += SUM'(signed'(a[i*4+:4]) * signed'({1'b0, x[i*4+:4]}));
                next[1] += SUM'(signed'(a[i*4+:4]) * signed'({1'b0, y[i*4+:4]}));
                next[2] += SUM'(signed'(b[i*4+:4]) * signed'({1'b0, x[i*4+:4]}));
                next[3] += SUM'(signed'(b[i*4+:4]) * signed'({1'b0, y[i*4+:4]}));
            end
        end
        always_ff @(posedge clk) begin
            sum_ax <= next[0];
            sum_ay <= next[1];
            sum_bx <= next[2];
            sum_by <= next[3];
        end
    end
endmodule
