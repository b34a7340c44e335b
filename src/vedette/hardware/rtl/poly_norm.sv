// Layer norm of rows without a table, LANES values a cycle: `layer_norm_newton` of `vedette.numerics.newton`.
// Its run has the ports of `layer_norm`. Three rows are under way, each in a slot of its own:
//   A reads a row, keeps it, and sums values and squares;
//   their mean, the sum of squared distances, and its reciprocal root by three of Newton's steps;
//   B: t = (x - mean) root >> drop, rounded, and (t gamma + beta) >> shift, saturated.
// A slot lasts max(WORDS, 12) + 5 cycles.
module poly_norm #(
    parameter int LANES = 16,
    parameter int IN = 16,
    parameter int WORDS_MOST = 64,
    parameter int GAMMA = 20,
    parameter int BETA = 44,
    parameter int OUT = 8,
    localparam int W = $clog2(WORDS_MOST)
) (
    input  logic                      clk, reset,
    // parameters, held while it runs
    input  logic [15:0]               rows,
    input  logic [W:0]                words,       // of a row
    input  logic [W+4:0]              count,       // values of a row
    input  logic [23:0]               mean_multiplier,
    input  logic [4:0]                mean_shift,
    input  logic [5:0]                shift,
    input  logic [3:0]                bits,        // of the result
    input  logic                      load_affine, // gammas and betas of a word
    input  logic [W-1:0]              load_word,
    input  logic [LANES*GAMMA-1:0]    load_gamma,
    input  logic [LANES*BETA-1:0]     load_beta,
    // run
    input  logic                      start,
    output logic                      busy,
    output logic [15:0]               read_row,    // of the word that is to come in the next cycle
    output logic [W-1:0]              read_word,
    input  logic [LANES*IN-1:0]       values,
    output logic                      valid,
    output logic [15:0]               row,
    output logic [W-1:0]              word,
    output logic [LANES*OUT-1:0]      result
);
    localparam int LATENCY = 5;   // from a row's last word to its results
    localparam int SHORTEST = 12; // so that a root fits in a slot
    localparam int SUM = IN + W + $clog2(LANES) + 1;
    localparam int SQUARES = 2 * IN + W + $clog2(LANES) + 1;
    localparam int PLACES = (SQUARES + 1) / 2;     // of two bits
    logic [LANES*GAMMA-1:0] gammas[WORDS_MOST];
    logic [LANES*BETA-1:0] betas[WORDS_MOST];
    always_ff @(posedge clk)
        if (load_affine) begin
            gammas[load_word] <= load_gamma;
            betas[load_word] <= load_beta;
        end

    logic [15:0] slot;
    logic reading, in_row, first_tick, last_tick;
    logic [W+1:0] span;
    logic [W:0] tick_word;
    assign span = words < (W+1)'(SHORTEST) ? (W+2)'(SHORTEST) : (W+2)'(words);
    slots #(.W(W + 1), .LATENCY(LATENCY), .MORE(2)) turns (
        .clk, .reset, .rows, .words(span), .start, .busy, .slot, .word(tick_word), .reading,
        .first(first_tick), .last(last_tick));
    assign in_row = reading && tick_word < words;
    assign read_row = slot;
    assign read_word = W'(tick_word);

    // A: row to buffer, sums
    logic a_valid, a_first;
    logic [W-1:0] a_word;
    logic [LANES*IN-1:0] buffer[2*WORDS_MOST];     // B reads a word before that of the row after next comes
    logic signed [SUM-1:0] sum, word_sum, kept_sum;
    logic signed [SQUARES-1:0] squares, word_squares, kept_squares;
    always_comb begin
        word_sum = '0;
        word_squares = '0;
        for (int i = 0; i < LANES; i++)
            if (32'(a_word) * LANES + i < 32'(count)) begin
                word_sum += SUM'(signed'(values[i*IN+:IN]));
                word_squares += SQUARES'(signed'(values[i*IN+:IN]) * signed'(values[i*IN+:IN]));
            end
    end
    always_ff @(posedge clk) begin
        a_valid <= in_row && slot < rows;
        a_word <= read_word;
        a_first <= first_tick;
        if (a_valid) begin
            buffer[{slot[0], a_word}] <= values;
            sum <= a_first ? word_sum : sum + word_sum;
            squares <= a_first ? word_squares : squares + word_squares;
        end
        if (busy && last_tick) begin
            kept_sum <= sum;
            kept_squares <= squares;
        end
    end

    // between: a step a cycle from the slot's first on
    logic signed [SUM+23:0] scaled;
    logic signed [IN:0] mean, kept_mean;
    logic signed [SQUARES+1:0] doubled, own;
    logic [SQUARES+1:0] apart;
    logic [5:0] drop, place, kept_drop;
    logic [15:0] v;                                // 14 fractional bits, from 1 to 4
    logic [16:0] root, kept_root;                  // 16 fractional bits, as of what follows
    logic [17:0] square, product;
    logic [4:0] step;
    always_comb begin
        place = '0;
        for (int i = 1; i < PLACES; i++) if (apart[2*i+:2] != 2'b0) place = 6'(i);
    end
    always_ff @(posedge clk) begin
        scaled <= (SUM+24)'(kept_sum) * (SUM+24)'(signed'({1'b0, mean_multiplier}))
                  + (((SUM+24)'(1) <<< mean_shift) >>> 1);
        mean <= (IN+1)'(scaled >>> mean_shift);
        doubled <= (SQUARES+2)'(mean) * (SQUARES+2)'(kept_sum) * 2;
        own <= (SQUARES+2)'(mean) * (SQUARES+2)'(mean) * (SQUARES+2)'(signed'({1'b0, count}));
        apart <= (SQUARES+2)'(kept_squares) - doubled + own;
        drop <= place;
        v <= 16'(((SQUARES+16)'(apart) << 14) >> {drop, 1'b0});
        square <= 18'((34'(root) * 34'(root)) >> 16);
        product <= 18'((34'(v) * 34'(square)) >> 14);
        step <= first_tick ? 5'd1 : step + {4'd0, step != '1};
        if (step == 5'd6) root <= 17'd70779 - 17'(v >> 1) - 17'(v >> 3);
        else if (step == 5'd9 || step == 5'd12 || step == 5'd15)
            root <= 17'((35'(root) * (35'd196608 - 35'(product))) >> 17);
        if (busy && last_tick) begin
            kept_mean <= mean;
            kept_root <= root;
            kept_drop <= drop;
        end
    end

    // B: four steps
    logic [4:1] b_valids;
    logic [4*W-1:0] b_words;                       // along with them
    logic [LANES*IN-1:0] b_values;
    logic [LANES*GAMMA-1:0] b_gamma;
    logic [LANES*BETA-1:0] b_beta, b_beta4;
    always_ff @(posedge clk) begin
        b_values <= buffer[{slot[0], read_word}];
        b_gamma <= gammas[b_words[W+:W]];
        b_beta <= betas[b_words[W+:W]];
        b_beta4 <= b_beta;
        b_valids <= {b_valids[3:1], in_row && slot > 16'd1};
        b_words <= {b_words[3*W-1:0], read_word};
        valid <= b_valids[4];
        word <= b_words[3*W+:W];
        row <= slot - 16'd2;
    end
    localparam int UNIT = 18;                      // bits of t
    localparam int PRODUCT = UNIT + GAMMA;
    localparam int WIDE = (PRODUCT > BETA ? PRODUCT : BETA) + 1;
    for (genvar i = 0; i < LANES; i++) begin : g_lane
        logic signed [IN+18:0] distance;
        logic signed [UNIT-1:0] t;
        logic signed [PRODUCT-1:0] weighted;
        logic signed [WIDE-1:0] moved, high;
        assign moved = (WIDE'(weighted) + WIDE'(signed'(b_beta4[i*BETA+:BETA]))) >>> shift;
        assign high = (WIDE'(1) <<< (bits - 4'd1)) - WIDE'(1);
        always_ff @(posedge clk) begin
            distance <= (IN+19)'((IN+1)'(signed'(b_values[i*IN+:IN])) - kept_mean)
                        * (IN+19)'(signed'({1'b0, kept_root}));
            t <= UNIT'((distance + (((IN+19)'(1) <<< kept_drop) >>> 1)) >>> kept_drop);
            weighted <= PRODUCT'(t) * PRODUCT'(signed'(b_gamma[i*GAMMA+:GAMMA]));
            if (moved > high) result[i*OUT+:OUT] <= OUT'(high);
            else if (moved < -high - WIDE'(1)) result[i*OUT+:OUT] <= OUT'(-high - WIDE'(1));
            else result[i*OUT+:OUT] <= OUT'(moved);
        end
    end
endmodule
