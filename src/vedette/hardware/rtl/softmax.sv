// Softmax of rows by tables, LANES scores a cycle. Three rows are under way, each in a slot of its own:
//   A reads a row, keeps it, and finds its maximum;
//   B takes the exponentials of the distances to it, keeps them, and sums them;
//   C multiplies with the sum's reciprocal, from one of two tables, and gives the result.
// A slot lasts WORDS + 4 cycles, so that a row leaves as often. Scores beyond `count` are taken as absent.
module softmax #(
    parameter int LANES = 16,
    parameter int WORDS_MOST = 16,
    parameter int OUT = 8,
    localparam int W = $clog2(WORDS_MOST)
) (
    input  logic                    clk, reset,
    // parameters, held while it runs
    input  logic [15:0]             rows,
    input  logic [W:0]              words,       // of a row
    input  logic [W+4:0]            count,       // scores of a row
    input  logic [17:0]             exp_offset,
    input  logic [4:0]              exp_shift,
    input  logic [4:0]              exp_last,
    input  logic signed [23:0]      near_offset, far_offset,
    input  logic [4:0]              near_shift, far_shift,
    input  logic [5:0]              near_last, far_last,
    input  logic [31:0]             near_half, far_half,
    input  logic [4:0]              near_drop, far_drop,
    input  logic [OUT-1:0]          peak,        // largest result
    input  logic                    load_exp, load_near, load_far,   // 8 entries, from 8 * `load_index` on
    input  logic [2:0]              load_index,
    input  logic [127:0]            load_data,
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
    localparam int LATENCY = 4;  // from a row's last word to its sum
    logic [15:0] exps[32];
    logic [15:0] nears[64], fars[64];
    always_ff @(posedge clk)
        for (int i = 0; i < 8; i++) begin
            if (load_exp) exps[{load_index[1:0], 3'(i)}] <= load_data[i*16+:16];
            if (load_near) nears[{load_index, 3'(i)}] <= load_data[i*16+:16];
            if (load_far) fars[{load_index, 3'(i)}] <= load_data[i*16+:16];
        end

    logic [15:0] slot;
    logic reading, read, first_tick, last_tick;
    slots #(.W(W), .LATENCY(LATENCY), .MORE(2)) turns (
        .clk, .reset, .rows, .words, .start, .busy, .slot, .word(read_word), .reading,
        .first(first_tick), .last(last_tick));
    assign read = reading && slot < rows;
    assign read_row = slot;

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
        a_valid <= read;
        a_word <= read_word;
        a_first <= first_tick;
        if (a_valid) begin
            buffer_a[{slot[0], a_word}] <= scores;
            highest <= (a_first || word_highest > highest) ? word_highest : highest;
        end
        if (busy && last_tick) kept_highest <= highest;
    end

    // B: exponentials, their sum
    logic b_read, b_valid, b_look, b_store;
    logic [W-1:0] b_word0, b_word1, b_word2;
    logic [LANES*16-1:0] b_scores, powers;
    logic [LANES*5-1:0] indices;
    logic [LANES-1:0] absent1, absent2;
    logic [27:0] total, word_total, kept_total;
    logic [LANES*16-1:0] buffer_b[2*WORDS_MOST];
    assign b_read = reading && slot != 16'd0 && slot <= rows;
    for (genvar i = 0; i < LANES; i++) begin : g_exp
        logic [16:0] apart;
        logic [17:0] index;
        assign apart = 17'(kept_highest) - 17'(signed'(b_scores[i*16+:16]));
        assign index = (18'(apart) + exp_offset) >> exp_shift;
        always_ff @(posedge clk) begin
            indices[i*5+:5] <= index > 18'(exp_last) ? exp_last : 5'(index);
            powers[i*16+:16] <= absent2[i] ? 16'd0 : exps[indices[i*5+:5]];
            absent1[i] <= 32'(read_word) * LANES + i >= 32'(count);
            absent2[i] <= absent1[i];
        end
    end
    always_comb begin
        word_total = '0;
        for (int i = 0; i < LANES; i++) word_total += 28'(powers[i*16+:16]);
    end
    always_ff @(posedge clk) begin
        b_scores <= buffer_a[{~slot[0], read_word}];
        b_valid <= b_read;
        b_word0 <= read_word;
        b_look <= b_valid;
        b_word1 <= b_word0;
        b_store <= b_look;
        b_word2 <= b_word1;
        if (b_store) begin
            buffer_b[{slot[0], b_word2}] <= powers;
            total <= b_word2 == '0 ? word_total : total + word_total;
        end
        if (busy && last_tick) kept_total <= total;
    end

    // C: the reciprocal, once a row in the cycles before the next slot; products
    logic signed [28:0] near_index, far_index;
    logic is_far, beyond_near;
    assign beyond_near = near_index > 29'(signed'({1'b0, near_last}));
    logic [15:0] reciprocal;
    assign near_index = (signed'({1'b0, kept_total}) + 29'(near_offset)) >>> near_shift;
    assign far_index = (signed'({1'b0, kept_total}) + 29'(far_offset)) >>> far_shift;
    logic [LANES*16-1:0] c_powers;
    logic c_read, c_valid;
    logic [W-1:0] c_word0;
    logic [15:0] c_row0;
    assign c_read = reading && slot > 16'd1;
    always_ff @(posedge clk) begin
        is_far <= beyond_near;
        reciprocal <= beyond_near
            ? fars[far_index < 0 ? 6'd0
                   : far_index > 29'(signed'({1'b0, far_last})) ? far_last : 6'(far_index)]
            : nears[near_index < 0 ? 6'd0 : 6'(near_index)];
        c_powers <= buffer_b[{~slot[0], read_word}];
        c_valid <= c_read;
        c_word0 <= read_word;
        c_row0 <= slot - 16'd2;
        valid <= c_valid;
        word <= c_word0;
        row <= c_row0;
    end
    for (genvar i = 0; i < LANES; i++) begin : g_out
        logic [32:0] scaled;
        assign scaled = (33'(c_powers[i*16+:16]) * 33'(reciprocal) + 33'(is_far ? far_half : near_half))
                        >> (is_far ? far_drop : near_drop);
        always_ff @(posedge clk) result[i*OUT+:OUT] <= scaled > 33'(peak) ? peak : OUT'(scaled);
    end
endmodule
