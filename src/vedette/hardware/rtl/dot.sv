// Two dot products that share their activations: sum of x[i] * a[i] and of x[i] * b[i], N terms a cycle.
//
// PACKED puts both into one multiplier a term: (b * 2^18 + a) * x. N is at most 8 then, and the weights of a
// sum must not all be -128: eight times (-128)^2 alone is more than the lane holds. Latency: one cycle.
module dot #(
    parameter int N = 8,
    parameter bit PACKED = 1'b1,
    localparam int SUM = 16 + $clog2(N)
) (
    input  logic                    clk,
    input  logic [N*8-1:0]          x,    // signed bytes, the first lowest
    input  logic [N*8-1:0]          a,
    input  logic [N*8-1:0]          b,
    output logic signed [SUM-1:0]   sum_a,
    output logic signed [SUM-1:0]   sum_b
);
    if (PACKED) begin : g_packed
        logic signed [47:0] total, next;
        always_comb begin
            next = '0;
            for (int i = 0; i < N; i++)
                next += 48'(signed'(27'(signed'(a[i*8+:8])) + (27'(signed'(b[i*8+:8])) <<< 18))
                            * signed'(x[i*8+:8]));
        end
        always_ff @(posedge clk) total <= next;
        assign sum_a = SUM'(signed'(total[17:0]));
        assign sum_b = SUM'(signed'(total[47:18]) + 30'(total[17]));  // the lane below had borrowed
    end else begin : g_plain
        logic signed [SUM-1:0] next_a, next_b;
        always_comb begin
            next_a = '0;
            next_b = '0;
            for (int i = 0; i < N; i++) begin
                next_a += SUM'(signed'(x[i*8+:8]) * signed'(a[i*8+:8]));
                next_b += SUM'(signed'(x[i*8+:8]) * signed'(b[i*8+:8]));
            end
        end
        always_ff @(posedge clk) begin
            sum_a <= next_a;
            sum_b <= next_b;
        end
    end
endmodule
