// Token selection: rows whose score is high enough are copied one after another, the others become one row behind
// them, their mean weighted by score. Its contract is `vedette.numerics.selection`.
//   Passes: eight over the scores find, bit by bit, the highest level that more than `most` reach; with the
//   threshold, whichever is higher, it is the edge. A ninth counts what lies above, on and below the edge.
//   Scan: all rows of one word, then of the next. Sums of the rows that go need one register a lane so, and
//   their division, a bit a cycle, runs while the next word is scanned.
// A row is written after it is read, never further down: source and target may be the same rows. Cycles of
// `busy`: 9 * (score words + 3) + 4 + words * (max(rows, IN) + 3) + IN + 3, whatever the scores.
module select #(
    parameter int LANES = 16,
    parameter int IN = 16,
    parameter int WORDS_MOST = 64,
    parameter int ROWS_MOST = 256,                // at least 2 * LANES
    localparam int W = $clog2(WORDS_MOST),
    localparam int R = $clog2(ROWS_MOST)
) (
    input  logic                 clk, reset,
    // parameters, held while it runs
    input  logic [R:0]           rows,            // 1 and more
    input  logic [W:0]           words,           // of a row
    input  logic [R:0]           fixed,           // rows at the beginning that stay
    input  logic                 merged,          // the last row goes: an earlier package
    input  logic [7:0]           threshold,       // a score that reaches it stays
    input  logic [R:0]           most,            // rows that may stay beside the fixed ones; `rows`: no limit
    // scores, a row a cycle in any order, before it starts; they stay until others come
    input  logic                 score_valid,
    input  logic [R-1:0]         score_row,
    input  logic [7:0]           score,
    // run
    input  logic                 start,
    output logic                 busy,
    output logic [15:0]          read_row,        // of the word that is to come in the next cycle
    output logic [W-1:0]         read_word,
    input  logic [LANES*IN-1:0]  values,          // signed
    output logic                 valid,
    output logic [15:0]          row,
    output logic [W-1:0]         word,
    output logic [LANES*IN-1:0]  result,
    // what comes after needs; from the scan on until the next selection
    output logic [15:0]          kept,            // rows, with the package
    output logic                 packaged,        // the last is one
    output logic                 plain            // and all its weights were 0
);
    localparam int L = $clog2(LANES);
    localparam int TOTAL = 8 + R;                 // bits of a sum of scores
    localparam int STEPS = $clog2(IN + 1);

    // --- scores: LANES rows a word
    logic [R-L-1:0] score_address;
    logic [LANES*8-1:0] scores;
    for (genvar i = 0; i < LANES; i++) begin : g_score
        logic [7:0] cells[ROWS_MOST/LANES];
        always_ff @(posedge clk) begin
            if (score_valid && score_row[L-1:0] == L'(i)) cells[score_row[R-1:L]] <= score;
            scores[i*8+:8] <= cells[score_address];
        end
    end

    // --- passes over the scores
    logic searching, pass_reading, pass_first, pass_last;
    logic [15:0] pass;
    logic [R-L-1:0] pass_word;
    logic [R-L:0] score_words;
    assign score_words = (R-L+1)'((32'(rows) + LANES - 1) >> L);
    slots #(.W(R-L), .LATENCY(3), .MORE(0)) passes (
        .clk, .reset, .rows(16'd9), .words(score_words), .start, .busy(searching), .slot(pass),
        .word(pass_word), .reading(pass_reading), .first(pass_first), .last(pass_last));
    logic [7:0] edge_score, level, trial;
    assign trial = edge_score | 8'd128 >> pass;
    assign level = pass == 16'd8 ? edge_score : trial;

    logic p_valid, p_first, q_valid, q_first;
    logic [R-L-1:0] p_word;
    logic [L:0] lanes_above, lanes_equal, word_above, word_equal;
    logic [L+8:0] lanes_below, word_below;
    logic [R:0] above, equal;
    logic [TOTAL-1:0] below;
    always_comb begin
        lanes_above = '0;
        lanes_equal = '0;
        lanes_below = '0;
        for (int i = 0; i < LANES; i++)
            if (32'(p_word) * LANES + i == 32'(rows) - 1 && merged) lanes_below += (L+9)'(scores[i*8+:8]);
            else if (32'(p_word) * LANES + i >= 32'(fixed) && 32'(p_word) * LANES + i < 32'(rows)) begin
                if (scores[i*8+:8] > level) lanes_above += 1'b1;
                else if (scores[i*8+:8] == level) lanes_equal += 1'b1;
                else lanes_below += (L+9)'(scores[i*8+:8]);
            end
    end
    always_ff @(posedge clk) begin
        p_valid <= pass_reading;
        p_first <= pass_first;
        p_word <= pass_word;
        q_valid <= p_valid;
        q_first <= p_first;
        word_above <= lanes_above;
        word_equal <= lanes_equal;
        word_below <= lanes_below;
        if (q_valid) begin
            above <= (q_first ? '0 : above) + (R+1)'(word_above);
            equal <= (q_first ? '0 : equal) + (R+1)'(word_equal);
            below <= (q_first ? '0 : below) + TOTAL'(word_below);
        end
    end
    logic [7:0] higher;                           // the level, once its last bit is known
    assign higher = above + equal > most ? trial : edge_score;
    always_ff @(posedge clk)
        if (start) edge_score <= '0;
        else if (searching && pass_last && pass < 16'd8)
            edge_score <= pass == 16'd7 && higher < threshold ? threshold : higher;

    // --- between: a step a cycle
    logic [4:1] settle;
    logic [R:0] room, on_edge, chosen, gone;      // places for rows on the edge, those that stay; that go
    logic [TOTAL-1:0] left, divisor;              // sums of scores, or number, of the rows that go
    assign room = most - above;
    always_ff @(posedge clk) begin
        settle <= reset ? '0 : {settle[3:1], searching && pass_last && pass == 16'd8};
        if (settle[1]) on_edge <= equal < room ? equal : room;
        if (settle[2]) begin
            chosen <= above + on_edge;
            left <= below + TOTAL'(equal - on_edge) * TOTAL'(edge_score);
        end
        if (settle[3]) begin
            gone <= rows - fixed - chosen;
            plain <= left == '0 && rows - fixed != chosen;
        end
        if (settle[4]) begin
            divisor <= plain ? TOTAL'(gone) : left;
            packaged <= gone != '0;
            kept <= 16'(fixed) + 16'(chosen) + 16'(gone != '0);
        end
    end

    // --- scan: slots are words, and one more for the last division
    logic scanning, reading, first, read, is_division;
    logic [15:0] slot;
    logic [R-1:0] scan_row;
    logic [R:0] span;                             // a division must fit in
    assign is_division = slot == 16'(words);
    assign span = is_division || rows < (R+1)'(IN) ? (R+1)'(IN) : rows;
    // verilator lint_off PINCONNECTEMPTY
    slots #(.W(R), .LATENCY(3), .MORE(1)) turns (
        .clk, .reset, .rows(16'(words)), .words(span), .start(settle[4]), .busy(scanning), .slot,
        .word(scan_row), .reading, .first, .last());
    // verilator lint_on PINCONNECTEMPTY
    assign read = reading && !is_division && (R+1)'(scan_row) < rows;
    assign read_row = 16'(scan_row);
    assign read_word = W'(slot);
    assign score_address = searching ? pass_word : scan_row[R-1:L];
    assign busy = searching || settle != '0 || scanning;

    // a row stays, or goes into the sums
    logic s_read, s_first, stays, free, is_equal;
    logic [R-1:0] s_row;
    logic [R:0] next_row, equals, here, seen;
    logic [7:0] s_score;
    assign s_score = scores[s_row[L-1:0]*8+:8];
    assign here = s_first ? '0 : next_row;
    assign seen = s_first ? '0 : equals;
    assign free = (R+1)'(s_row) >= fixed && !(merged && (R+1)'(s_row) == rows - 1'b1);
    assign is_equal = free && s_score == edge_score;
    assign stays = (R+1)'(s_row) < fixed || free && s_score > edge_score || is_equal && seen < on_edge;
    always_ff @(posedge clk) begin
        s_read <= read;
        s_row <= scan_row;
        s_first <= first;
        if (s_read) begin
            next_row <= here + (R+1)'(stays);
            equals <= seen + (R+1)'(is_equal);
        end
    end

    // rows as they come; the package of the word before where no more rows come
    logic reading1, reading2, ends;
    logic [LANES*IN-1:0] mean;
    assign ends = reading2 && !reading1;
    always_ff @(posedge clk) begin
        reading1 <= reading;
        reading2 <= reading1;
        valid <= s_read && stays || ends && packaged && slot != '0;
        row <= ends ? kept - 16'd1 : 16'(here);
        word <= ends ? W'(slot - 16'd1) : W'(slot);
        result <= ends ? mean : values;
    end

    // sums of values from 0 up, which begin with half the divisor; division
    logic [7:0] weight;
    logic w_first, x_first;
    logic [STEPS-1:0] steps;
    always_ff @(posedge clk) begin
        weight <= !s_read || stays ? 8'd0 : plain ? 8'd1 : s_score;
        w_first <= s_first;
        x_first <= w_first;
        steps <= first ? STEPS'(IN) : steps == '0 ? '0 : steps - 1'b1;
    end
    for (genvar i = 0; i < LANES; i++) begin : g_lane
        logic [IN-1:0] positive, low;
        logic [IN+7:0] product;
        logic [IN+TOTAL-1:0] sum;
        logic [TOTAL-1:0] remainder;
        logic [TOTAL:0] shifted;
        logic fits;
        assign shifted = {remainder, low[IN-1]};
        assign fits = shifted >= {1'b0, divisor};
        assign mean[i*IN+:IN] = {~low[IN-1], low[IN-2:0]};
        always_ff @(posedge clk) begin
            positive <= {~values[i*IN+IN-1], values[i*IN+:IN-1]};
            product <= (IN+8)'(positive) * (IN+8)'(weight);
            sum <= (x_first ? (IN+TOTAL)'(divisor >> 1) : sum) + (IN+TOTAL)'(product);
            if (first) {remainder, low} <= sum;
            else if (steps != '0) begin
                remainder <= TOTAL'(fits ? shifted - {1'b0, divisor} : shifted);
                low <= {low[IN-2:0], fits};
            end
        end
    end
endmodule
