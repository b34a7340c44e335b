// Softmax of rows with HeatViT's exponential and one reciprocal a row, LANES scores a cycle: `softmax_integer` of
// `vedette.numerics.approximations`. Its run has the ports of `softmax`. Four rows are under way, each in a slot
// of its own:
//   A reads a row, keeps it, and finds its maximum;
//   B takes the exponentials of the distances to it, keeps them, and sums them;
//   the sum's reciprocal is divided out, a bit a cycle;
//   C multiplies with it and gives the result.
// A slot lasts max(WORDS, 9) + 9 cycles. Scores beyond `count` are taken as absent.
module poly_softmax #(
    parameter int LANES = 16,
    parameter int WORDS_MOST = 16,
    parameter int OUT = 8,                       // 8 at most: a reciprocal has OUT + 9 bits
    parameter int FRAC_MOST = 8,                 // 14 at most
    localparam int W = $clog2(WORDS_MOST),
    localparam int F = $clog2(FRAC_MOST + 1)
) (
    input  logic                    clk, reset,
    // parameters, held while it runs
    input  logic [15:0]             rows,
    input  logic [W:0]              words,       // of a row
    input  logic [W+4:0]            count,       // scores of a row
    input  logic [F-1:0]            frac,        // fractional bits of the scores
    input  logic [OUT+13:0]         peak,        // delta (2^bits - 1) 2^14, for bits up to OUT
    // run
    input  logic                    start,
    output logic                    busy,
    output logic [15:0]             read_row,    // of the word that is to come in the next cycle
    output logic [W-1:0]            read_word,
    input  logic [LANES*16-1:0]     scores,
    output logic                    valid,
    output logic [15:0]             row,
    output logic [W-1:0]            word,
    output logic [LANES*OUT-1:0]    result
);
    localparam int LATENCY = 9;                  // from a row's last word to its sum
    localparam int EXP = 6;                      // cycles of an exponential
    localparam int TOTAL = 16 + W + $clog2(LANES);
    localparam int QUOTIENT = OUT + 9;           // sums are 2^15 at least
    localparam int SHORTEST = QUOTIENT - LATENCY + 1 > 1 ? QUOTIENT - LATENCY + 1 : 1;

    logic [15:0] slot;
    logic reading, in_row, first_tick, last_tick;
    logic [W+1:0] span;
    logic [W:0] tick_word;
    assign span = words < (W+1)'(SHORTEST) ? (W+2)'(SHORTEST) : (W+2)'(words);
    slots #(.W(W + 1), .LATENCY(LATENCY), .MORE(3)) turns (
        .clk, .reset, .rows, .words(span), .start, .busy, .slot, .word(tick_word), .reading,
        .first(first_tick), .last(last_tick));
    assign in_row = reading && tick_word < words;
    assign read_row = slot;
    assign read_word = W'(tick_word);

    // A: row to buffer, maximum
    logic a_valid, a_first;
    logic [W-1:0] a_word;
    logic signed [15:0] highest, word_highest, kept_highest;
    logic [LANES*16-1:0] buffer_a[2*WORDS_MOST];
    always_comb begin
        word_highest = -16'sd32768;
        for (int i = 0; i < LANES; i++)
            if (32'(a_word) * LANES + i < 32'(count) && signed'(scores[i*16+:16]) > word_highest)
                word_highest = signed'(scores[i*16+:16]);
    end
    always_ff @(posedge clk) begin
        a_valid <= in_row && slot < rows;
        a_word <= read_word;
        a_first <= first_tick;
        if (a_valid) begin
            buffer_a[{slot[0], a_word}] <= scores;
            highest <= (a_first || word_highest > highest) ? word_highest : highest;
        end
        if (busy && last_tick) kept_highest <= highest;
    end

    // B: exponentials, their sum
    logic [(EXP+2)*W-1:0] b_words;               // along with the exponentials
    logic [EXP+1:0] b_valids;
    logic [W-1:0] b_word;
    assign b_word = b_words[(EXP+1)*W+:W];
    logic [LANES*16-1:0] b_scores, powers, present_powers;
    logic [LANES*17-1:0] apart;
    logic [TOTAL-1:0] total, word_total;
    logic [LANES*16-1:0] buffer_b[2*WORDS_MOST]; // C reads a word before the next row's comes
    for (genvar i = 0; i < LANES; i++) begin : g_apart
        always_ff @(posedge clk) apart[i*17+:17] <= 17'(kept_highest) - 17'(signed'(b_scores[i*16+:16]));
        assign present_powers[i*16+:16] = 32'(b_word) * LANES + i < 32'(count) ? powers[i*16+:16] : 16'd0;
    end
    poly_exp #(.LANES(LANES), .IN(17), .FRAC_MOST(FRAC_MOST)) exponentials (.clk, .frac, .x(apart), .y(powers));
    always_comb begin
        word_total = '0;
        for (int i = 0; i < LANES; i++) word_total += TOTAL'(present_powers[i*16+:16]);
    end
    always_ff @(posedge clk) begin
        b_scores <= buffer_a[{~slot[0], read_word}];
        b_valids <= {b_valids[EXP:0], in_row && slot != 16'd0 && slot <= rows};
        b_words <= {b_words[0+:(EXP+1)*W], read_word};
        if (b_valids[EXP+1]) begin
            buffer_b[{slot[0], b_word}] <= present_powers;
            total <= b_word == '0 ? word_total : total + word_total;
        end
    end

    // the reciprocal: peak 2^10 / total
    logic [TOTAL-1:0] divisor, remainder;
    logic [TOTAL:0] shifted;
    logic [QUOTIENT-1:0] quotient, reciprocal;
    logic [$clog2(QUOTIENT+1)-1:0] steps;
    logic fits;
    assign shifted = {remainder, quotient[QUOTIENT-1]};
    assign fits = shifted >= {1'b0, divisor};
    always_ff @(posedge clk)
        if (busy && last_tick) begin
            reciprocal <= quotient;
            divisor <= total;
            {remainder, quotient} <= (TOTAL+QUOTIENT)'(peak) << 10;
            steps <= ($clog2(QUOTIENT+1))'(QUOTIENT);
        end else if (steps != '0) begin
            remainder <= TOTAL'(fits ? shifted - {1'b0, divisor} : shifted);
            quotient <= {quotient[QUOTIENT-2:0], fits};
            steps <= steps - 1'b1;
        end

    // C: products
    logic [LANES*16-1:0] c_powers;
    logic c_valid;
    logic [W-1:0] c_word;
    logic [15:0] c_row;
    always_ff @(posedge clk) begin
        c_powers <= buffer_b[{slot[0], read_word}];
        c_valid <= in_row && slot > 16'd2;
        c_word <= read_word;
        c_row <= slot - 16'd3;
        valid <= c_valid;
        word <= c_word;
        row <= c_row;
    end
    for (genvar i = 0; i < LANES; i++) begin : g_out
        always_ff @(posedge clk)
            result[i*OUT+:OUT] <= OUT'(((16+QUOTIENT)'(c_powers[i*16+:16]) * (16+QUOTIENT)'(reciprocal)) >> 24);
    end
endmodule
