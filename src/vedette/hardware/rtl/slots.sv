// When rows pass through a unit: each row in a slot of its own, WORDS + LATENCY cycles long, in the first WORDS
// of which the words of the rows that are under way go by. MORE slots follow the last row's, for its later steps.
module slots #(
    parameter int W = 4,               // bits of a word's number
    parameter int LATENCY = 4,
    parameter int MORE = 1
) (
    input  logic           clk, reset,
    input  logic [15:0]    rows,
    input  logic [W:0]     words,
    input  logic           start,
    output logic           busy,
    output logic [15:0]    slot,
    output logic [W-1:0]   word,
    output logic           reading,    // `word` is one of the row
    output logic           first,      // cycle of a slot
    output logic           last
);
    logic [W+1:0] tick;
    assign word = W'(tick);
    assign reading = busy && tick < (W+2)'(words);
    assign first = tick == '0;
    assign last = tick == (W+2)'(words) + (W+2)'(LATENCY - 1);
    always_ff @(posedge clk) begin
        if (reset) busy <= 1'b0;
        else if (start) begin
            busy <= 1'b1;
            slot <= '0;
            tick <= '0;
        end else if (busy) begin
            tick <= last ? '0 : tick + 1'b1;
            if (last) begin
                slot <= slot + 1'b1;
                if (slot == rows + 16'(MORE - 1)) busy <= 1'b0;
            end
        end
    end
endmodule
