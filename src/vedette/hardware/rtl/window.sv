// The parameter stream: words of two beats come in, one or two beats at a time are taken.
//
// Six beats are kept, so that two leave in every cycle as long as a word comes in every cycle.
module window #(
    parameter int BEAT = 128
) (
    input  logic                clk, reset,
    input  logic                word_valid,
    output logic                word_ready,
    input  logic [2*BEAT-1:0]   word,          // the earlier beat lowest
    output logic                one, two,      // so many beats are there
    output logic [2*BEAT-1:0]   beats,
    input  logic                take_one, take_two
);
    logic [2:0] count, left;
    logic [6*BEAT-1:0] kept, moved;
    assign one = count != 3'd0;
    assign two = count > 3'd1;
    assign beats = kept[2*BEAT-1:0];
    assign word_ready = count <= 3'd4;
    always_comb begin
        left = count;
        moved = kept;
        if (take_two) begin
            left = count - 3'd2;
            moved = kept >> 2 * BEAT;
        end else if (take_one) begin
            left = count - 3'd1;
            moved = kept >> BEAT;
        end
    end
    always_ff @(posedge clk) begin
        kept <= moved;
        if (word_valid && word_ready)
            for (int i = 0; i < 5; i++)
                if (left == 3'(i)) kept[i*BEAT+:2*BEAT] <= word;
        count <= reset ? 3'd0 : word_valid && word_ready ? left + 3'd2 : left;
    end
endmodule
