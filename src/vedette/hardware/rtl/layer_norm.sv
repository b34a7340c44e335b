// Layer norm of rows, LANES values a cycle. Two rows are under way, each in a slot of its own:
//   A reads a row, keeps it, and sums values and squares;
//   B subtracts the mean and multiplies: ((x - mean) * root * gamma + beta) >> shift, saturated.
// Between them the mean is rounded, and the sum of squared distances follows without a third pass:
// sum (x - mean)^2 = sum x^2 - 2 mean sum x + count mean^2. A slot lasts WORDS + 7 cycles.
module layer_norm #(
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
    input  logic signed [31:0]        root_offset,
    input  logic [4:0]                root_shift,
    input  logic [6:0]                root_last,
    input  logic [5:0]                shift,
    input  logic [3:0]                bits,        // of the result
    input  logic                      load_root,   // 8 entries, from 8 * `load_index` on
    input  logic [3:0]                load_index,
    input  logic [127:0]              load_data,
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
    localparam int LATENCY = 7;  // from a row's last word to its root
    localparam int SUM = IN + W + $clog2(LANES) + 1;
    localparam int SQUARES = 2 * IN + W + $clog2(LANES) + 1;
    logic [15:0] roots[128];
    logic [LANES*GAMMA-1:0] gammas[WORDS_MOST];
    logic [LANES*BETA-1:0] betas[WORDS_MOST];
    always_ff @(posedge clk) begin
        if (load_root)
            for (int i = 0; i < 8; i++) roots[{load_index, 3'(i)}] <= load_data[i*16+:16];
        if (load_affine) begin
            gammas[load_word] <= load_gamma;
            betas[load_word] <= load_beta;
        end
    end

    logic [15:0] slot;
    logic reading, read, first_tick, last_tick;
    slots #(.W(W), .LATENCY(LATENCY), .MORE(1)) turns (
        .clk, .reset, .rows, .words, .start, .busy, .slot, .word(read_word), .reading,
        .first(first_tick), .last(last_tick));
    assign read = reading && slot < rows;
    assign read_row = slot;

    // A: row to buffer, sums
    logic a_valid, a_first;
    logic [W-1:0] a_word;
    logic [LANES*IN-1:0] buffer[2*WORDS_MOST];
    logic signed [SUM-1:0] sum, word_sum;
    logic signed [SQUARES-1:0] squares, word_squares;
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
        a_valid <= read;
        a_word <= read_word;
        a_first <= first_tick;
        if (a_valid) begin
            buffer[{slot[0], a_word}] <= values;
            sum <= a_first ? word_sum : sum + word_sum;
            squares <= a_first ? word_squares : squares + word_squares;
        end
    end

    // between: a step a cycle, while the slot runs out (the sums are final two cycles after the last word)
    logic signed [SUM+23:0] scaled;
    logic signed [IN:0] mean, kept_mean;
    logic signed [SQUARES+1:0] doubled, own, apart;
    logic signed [SQUARES+1:0] index;
    logic [15:0] kept_root;
    always_ff @(posedge clk) begin
        scaled <= (SUM+24)'(sum) * (SUM+24)'(signed'({1'b0, mean_multiplier}))
                  + (mean_shift == '0 ? '0 : (SUM+24)'(1) <<< (mean_shift - 5'd1));
        mean <= (IN+1)'(scaled >>> mean_shift);
        doubled <= (SQUARES+2)'(mean) * (SQUARES+2)'(sum) * 2;
        own <= (SQUARES+2)'(mean) * (SQUARES+2)'(mean) * (SQUARES+2)'(signed'({1'b0, count}));
        apart <= (SQUARES+2)'(squares) - doubled + own;
        index <= (apart + (SQUARES+2)'(root_offset)) >>> root_shift;
        if (busy && last_tick) begin
            kept_mean <= mean;
            kept_root <= roots[index < 0 ? 7'd0
                               : index > (SQUARES+2)'(signed'({1'b0, root_last})) ? root_last : 7'(index)];
        end
    end

    // B: the products, three cycles
    logic b_read, b_valid, b_scale;
    logic [W-1:0] b_word0, b_word1;
    logic [15:0] b_row0, b_row1;
    logic [LANES*IN-1:0] b_values;
    logic [LANES*GAMMA-1:0] b_gamma;
    logic [LANES*BETA-1:0] b_beta, b_beta1;
    assign b_read = reading && slot != 16'd0;
    always_ff @(posedge clk) begin
        b_values <= buffer[{~slot[0], read_word}];
        b_gamma <= gammas[read_word];
        b_beta <= betas[read_word];
        b_beta1 <= b_beta;
        b_valid <= b_read;
        b_word0 <= read_word;
        b_row0 <= slot - 16'd1;
        b_scale <= b_valid;
        b_word1 <= b_word0;
        b_row1 <= b_row0;
        valid <= b_scale;
        word <= b_word1;
        row <= b_row1;
    end
    localparam int PRODUCT = IN + 1 + 17 + GAMMA;
    localparam int WIDE = (PRODUCT > BETA ? PRODUCT : BETA) + 1;
    for (genvar i = 0; i < LANES; i++) begin : g_lane
        logic signed [PRODUCT-1:0] product;
        logic signed [WIDE-1:0] moved, high;
        assign moved = (WIDE'(product) + WIDE'(signed'(b_beta1[i*BETA+:BETA]))) >>> shift;
        assign high = (WIDE'(1) <<< (bits - 4'd1)) - WIDE'(1);
        always_ff @(posedge clk) begin
            product <= PRODUCT'((IN+1)'(signed'(b_values[i*IN+:IN])) - kept_mean)
                       * PRODUCT'(signed'({1'b0, kept_root})) * PRODUCT'(signed'(b_gamma[i*GAMMA+:GAMMA]));
            if (moved > high) result[i*OUT+:OUT] <= OUT'(high);
            else if (moved < -high - WIDE'(1)) result[i*OUT+:OUT] <= OUT'(-high - WIDE'(1));
            else result[i*OUT+:OUT] <= OUT'(moved);
        end
    end
endmodule
