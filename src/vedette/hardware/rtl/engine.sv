// A transformer in integers, one operator after another, told by a stream of descriptors and parameters.
//
// The stream has beats of 128 bits and comes two at a time. A descriptor is 8 beats, 32 words of 32 bits, word 0 first; what the
// operator needs follows at once: tables, scales, weights. Four memories: `first`, `second` and `chances`
// hold 8-bit activations, TOKENS rows of 16 channels a word; `wide` holds 16-bit values, 16 of one row a word.
// What is written is shown at the ports, so that a bench can compare every operator.
//
// SELECT drops tokens: rows of `wide` go together, and their number is kept. A descriptor that says `live` takes
// that number for its rows, and for what else counts tokens: keys of scores, values of a softmax, terms of what
// probabilities weigh.
//
// SOFTMAX runs beside what follows, as long as that says `beside` in its descriptor: products that neither
// read `wide` nor what the softmax writes. Any other descriptor waits for its end.
//
//   op 0 END                                                op 1 LOAD: rows of 8-bit channels from the stream
//   op 2 NORM: wide to first, layer norm                    op 3 SOFTMAX: wide to chances
//   op 4 GEMM: (first or chances) times (stream or second), and then, by mode:
//        0 table, to first      1 table, to second     2 as they are, 16 bits, to wide
//        3 plus the rescaled row of wide, to wide      4 plus a bias of the row, shifted, to wide
//        5 as they are, 32 bits, out            6 table, to first; its first output is the row's score
//   op 5 SELECT: wide to wide, by the scores
module engine #(
    parameter int TOKENS = 8,          // rows at once
    parameter int TERMS = 8,           // of a sum, in a cycle
    parameter int FIRST = 4096,        // words
    parameter int SECOND = 1024,
    parameter int CHANCES = 512,
    parameter int WIDE = 16384,
    parameter int CHUNKS_MOST = 128,   // of TERMS terms
    parameter int WORDS_MOST = 64,     // of 16 values, of a row
    parameter int ROWS_MOST = 256,     // that SELECT takes
    parameter bit PACKED = 1'b1,
    localparam int ADDRESS = 16,
    localparam int T = $clog2(TOKENS),
    localparam int W = $clog2(WORDS_MOST),
    localparam int K = $clog2(CHUNKS_MOST),
    localparam int R = $clog2(ROWS_MOST)
) (
    input  logic            clk, reset,
    input  logic            start,
    output logic            busy,
    input  logic            word_valid,
    output logic            word_ready,
    input  logic [255:0]    word,                // two beats, the earlier lowest
    output logic [15:0]     operator_number,
    output logic            first_we, second_we, wide_we, out_we,
    output logic [15:0]     write_row, write_tile,
    output logic [127:0]    write_bytes,
    output logic [255:0]    write_wide,
    output logic [511:0]    write_out,
    output logic            chances_we,          // beside the others
    output logic [15:0]     chances_number, chances_row, chances_tile,
    output logic [127:0]    chances_bytes
);
    typedef enum logic [2:0] {IDLE, HEADER, DECODE, TABLES, RUN} state_t;
    state_t state;
    localparam logic [7:0] END = 8'd0, LOAD = 8'd1, NORM = 8'd2, SOFTMAX = 8'd3, GEMM = 8'd4, SELECT = 8'd5;

    // --- descriptor
    logic [1023:0] header;
    logic [31:0] h[32];
    for (genvar i = 0; i < 32; i++) begin : g_header
        assign h[i] = header[i*32+:32];
    end
    logic [7:0] op;
    logic [3:0] mode;
    logic from_memory, transposed, beside, of_chances, of_live;
    logic [15:0] rows, words, count, live, live_words, live_chunks;
    logic [ADDRESS-1:0] source, stride, source_b, stride_b, target, target_stride, stream_base, stream_stride;
    assign op = h[0][7:0];
    assign mode = h[0][11:8];
    assign from_memory = h[0][12];
    assign transposed = h[0][13];
    assign beside = h[0][14];
    assign of_chances = h[0][15];
    assign of_live = h[0][16];
    assign live_words = (live + 16'd15) >> 4;
    assign live_chunks = (live + 16'(TERMS - 1)) >> $clog2(TERMS);
    always_comb begin
        rows = of_live ? live : h[1][15:0];
        words = h[2][15:0];            // of a row; chunks of GEMM
        count = h[3][15:0];            // values of a row; tiles of GEMM
        if (of_live && op == SOFTMAX) {words, count} = {live_words, live};
        if (of_live && op == GEMM && from_memory) begin
            if (transposed) words = live_chunks;
            else count = live_words;
        end
    end
    assign source = h[4][ADDRESS-1:0];
    assign stride = h[5][ADDRESS-1:0];
    assign source_b = h[6][ADDRESS-1:0];
    assign stride_b = h[7][ADDRESS-1:0];
    assign target = h[8][ADDRESS-1:0];
    assign target_stride = h[9][ADDRESS-1:0];
    assign stream_base = h[14][ADDRESS-1:0];
    assign stream_stride = h[15][ADDRESS-1:0];

    // --- stream
    logic beat_valid, beat_ready, pair_valid;
    logic [255:0] pair;
    logic [127:0] beat;
    window stream (
        .clk, .reset, .word_valid, .word_ready, .word, .one(beat_valid), .two(pair_valid), .beats(pair),
        .take_one(beat_ready && beat_valid), .take_two(gemm_takes));
    assign beat = pair[127:0];

    // --- sequencer
    logic [15:0] at;                   // beat of the header, of the tables, or of LOAD
    logic [15:0] table_beats;
    logic go, running, tables, held;
    logic gemm_busy, gemm_takes, norm_busy, softmax_busy, load_busy, select_busy, drained;
    assign running = gemm_busy || norm_busy || load_busy || select_busy || !drained;
    assign held = softmax_busy && !beside;       // a descriptor waits for the softmax before it
    always_comb begin
        case (op)
            NORM: table_beats = 16'd16 + (words << 3);
            SOFTMAX: table_beats = 16'd20;
            GEMM: table_beats = mode < 4'd2 || mode == 4'd6 ? 16'd4 : 16'd0;
            default: table_beats = 16'd0;
        endcase
    end
    assign go = state == DECODE && !held && table_beats == 16'd0 || state == TABLES && beat_valid && at == table_beats - 16'd1;
    logic bias_takes;
    assign beat_ready = state == HEADER || state == TABLES || state == RUN && (bias_takes || load_busy);
    always_ff @(posedge clk) begin
        if (reset) begin
            state <= IDLE;
            operator_number <= '0;
        end else
            case (state)
                IDLE: if (start) begin
                    state <= HEADER;
                    at <= '0;
                    operator_number <= '0;
                end
                HEADER: if (beat_valid) begin
                    header <= {beat, header[1023:128]};
                    at <= at == 16'd7 ? 16'd0 : at + 16'd1;
                    if (at == 16'd7) state <= DECODE;
                end
                DECODE: if (!held) state <= op == END ? IDLE : table_beats != 16'd0 ? TABLES : RUN;
                TABLES: if (beat_valid) begin
                    at <= at + 16'd1;
                    if (at == table_beats - 16'd1) state <= RUN;
                end
                RUN: if (!go_late && !running) begin
                    state <= HEADER;
                    at <= '0;
                    operator_number <= operator_number + 16'd1;
                end
                default: state <= IDLE;
            endcase
    end
    logic go_late;                     // the cycle after `go`, in which the unit becomes busy
    always_ff @(posedge clk) go_late <= !reset && go;
    assign busy = state != IDLE;

    // --- memories
    // verilator lint_off UNUSEDSIGNAL
    logic [ADDRESS-1:0] a_raddr, second_raddr, wide_raddr, row_waddr, wide_waddr, chances_waddr;  // smaller memories use less
    // verilator lint_on UNUSEDSIGNAL
    logic [TOKENS*128-1:0] first_rdata, second_rdata, chances_rdata;
    logic [255:0] wide_rdata;
    assign row_waddr = target + ADDRESS'(write_row >> T) * target_stride + ADDRESS'(write_tile);
    assign wide_waddr = target + ADDRESS'(write_row) * target_stride + ADDRESS'(write_tile);
    for (genvar t = 0; t < TOKENS; t++) begin : g_bank
        memory #(.WIDTH(128), .DEPTH(FIRST)) first_memory (
            .clk, .we(first_we && write_row[T-1:0] == T'(t)), .waddr($clog2(FIRST)'(row_waddr)),
            .wdata(write_bytes), .raddr($clog2(FIRST)'(a_raddr)), .rdata(first_rdata[t*128+:128]));
        memory #(.WIDTH(128), .DEPTH(SECOND)) second_memory (
            .clk, .we(second_we && write_row[T-1:0] == T'(t)), .waddr($clog2(SECOND)'(row_waddr)),
            .wdata(write_bytes), .raddr($clog2(SECOND)'(second_raddr)), .rdata(second_rdata[t*128+:128]));
        memory #(.WIDTH(128), .DEPTH(CHANCES)) chances_memory (
            .clk, .we(chances_we && chances_row[T-1:0] == T'(t)), .waddr($clog2(CHANCES)'(chances_waddr)),
            .wdata(chances_bytes), .raddr($clog2(CHANCES)'(a_raddr)), .rdata(chances_rdata[t*128+:128]));
    end
    memory #(.WIDTH(256), .DEPTH(WIDE)) wide_memory (
        .clk, .we(wide_we), .waddr($clog2(WIDE)'(wide_waddr)), .wdata(write_wide),
        .raddr($clog2(WIDE)'(wide_raddr)), .rdata(wide_rdata));

    // --- GEMM and what becomes of its rows
    logic gemm_row_valid, gemm_row_taken, slow;
    logic [15:0] gemm_row, gemm_tile;
    logic [511:0] gemm_sums;
    assign slow = mode == 4'd4;
    gemm #(.TOKENS(TOKENS), .TERMS(TERMS), .CHUNKS_MOST(CHUNKS_MOST), .ADDRESS(ADDRESS), .PACKED(PACKED)) product (
        .clk, .reset, .rows, .chunks((K+1)'(words)), .tiles(count),
        .a_base(source), .a_stride(stride), .b_base(source_b), .b_stride(stride_b),
        .from_memory, .transposed, .slow, .start(go && op == GEMM), .busy(gemm_busy),
        .pair_valid(pair_valid && state == RUN), .pair, .pair_taken(gemm_takes),
        .a_address(a_raddr), .b_address(second_raddr),
        .a_data(of_chances ? chances_rdata : first_rdata), .b_data(second_rdata),
        .row_valid(gemm_row_valid), .row_taken(gemm_row_taken),
        .row(gemm_row), .tile(gemm_tile), .sums(gemm_sums));

    // a bias of each row, 16 of 32 bits, in four beats
    logic [511:0] row_bias;
    logic [2:0] bias_have;
    assign bias_takes = slow && gemm_row_valid && bias_have != 3'd4 && beat_valid;
    assign gemm_row_taken = !slow || bias_have == 3'd4;
    always_ff @(posedge clk) begin
        if (state != RUN) bias_have <= '0;
        else if (bias_takes) begin
            row_bias <= {beat, row_bias[511:128]};
            bias_have <= bias_have + 3'd1;
        end else if (gemm_row_valid && gemm_row_taken) bias_have <= '0;
    end

    // three steps: operands; table or product; result
    logic [3:1] post;
    logic [15:0] row1, row2, row3, tile1, tile2, tile3;
    logic [511:0] sums1, sums3;
    logic [127:0] looked;
    always_ff @(posedge clk) begin
        post <= reset ? '0 : {post[2:1], gemm_row_valid && gemm_row_taken};
        {row3, row2, row1} <= {row2, row1, gemm_row};
        {tile3, tile2, tile1} <= {tile2, tile1, gemm_tile};
    end
    lookup #(.LANES(16), .IN(32), .ENTRIES(64), .OUT(8)) functions (
        .clk, .load(tables && op == GEMM), .load_index(at[1:0]), .load_data(beat),
        .offset(h[10]), .shift(h[11][4:0]), .last(h[11][13:8]), .x(sums1), .y(looked));
    logic signed [31:0] multiplier;
    logic [5:0] scale_shift;
    assign multiplier = signed'(h[12]);
    assign scale_shift = h[13][5:0];
    logic [255:0] wide_result;
    for (genvar i = 0; i < 16; i++) begin : g_post
        logic signed [47:0] product2;
        logic signed [31:0] own2, sum3;
        always_ff @(posedge clk) begin
            sums1[i*32+:32] <= gemm_sums[i*32+:32] + (slow ? row_bias[i*32+:32] : 32'd0);
            product2 <= 48'(signed'(wide_rdata[i*16+:16])) * 48'(multiplier)
                        + (scale_shift == '0 ? 48'sd0 : 48'sd1 <<< (scale_shift - 6'd1));
            own2 <= signed'(sums1[i*32+:32]);
            sum3 <= mode == 4'd3 ? own2 + 32'(product2 >>> scale_shift)
                  : slow ? (own2 + (scale_shift == '0 ? 32'sd0 : 32'sd1 <<< (scale_shift - 6'd1))) >>> scale_shift
                  : own2;
        end
        assign sums3[i*32+:32] = sum3;
        assign wide_result[i*16+:16] = sum3[15:0];
    end

    // --- layer norm and softmax: parameters in words of their own
    logic norm_valid;
    logic [15:0] norm_read_row, norm_row, softmax_read_row;
    logic [W-1:0] norm_read_word, norm_word;
    logic [3:0] softmax_read_word, softmax_word;
    logic [127:0] norm_result;
    logic [895:0] gathered;            // seven beats of a word's gammas and betas
    logic [15:0] affine_at;
    assign affine_at = at - 16'd16;
    always_ff @(posedge clk) if (tables) gathered <= {beat, gathered[895:128]};
    layer_norm #(.LANES(16), .IN(16), .WORDS_MOST(WORDS_MOST), .GAMMA(20), .BETA(44), .OUT(8)) norm (
        .clk, .reset, .rows, .words((W+1)'(words)), .count((W+5)'(count)),
        .mean_multiplier(h[10][23:0]), .mean_shift(h[11][4:0]), .root_offset(h[12]),
        .root_shift(h[13][4:0]), .root_last(h[13][14:8]), .shift(h[16][5:0]), .bits(h[16][11:8]),
        .load_root(tables && op == NORM && at < 16'd16), .load_index(at[3:0]), .load_data(beat),
        .load_affine(tables && op == NORM && at >= 16'd16 && affine_at[2:0] == 3'd7),
        .load_word(W'(affine_at >> 3)), .load_gamma({gathered[319:0]}), .load_beta({beat, gathered[895:320]}),
        .start(go && op == NORM), .busy(norm_busy), .read_row(norm_read_row),
        .read_word(norm_read_word), .values(wide_rdata), .valid(norm_valid), .row(norm_row),
        .word(norm_word), .result(norm_result));
    // what the softmax needs of its descriptor, kept while others follow
    logic [1023:0] softmax_header;
    logic [31:0] m[32];
    logic [15:0] softmax_rows;
    logic [4:0] softmax_words;
    logic [8:0] softmax_count;
    logic [ADDRESS-1:0] scores_base, scores_stride, chances_base, chances_stride;
    for (genvar i = 0; i < 32; i++) begin : g_softmax
        assign m[i] = softmax_header[i*32+:32];
    end
    assign scores_base = m[4][ADDRESS-1:0];
    assign scores_stride = m[5][ADDRESS-1:0];
    assign chances_base = m[8][ADDRESS-1:0];
    assign chances_stride = m[9][ADDRESS-1:0];
    always_ff @(posedge clk)
        if (state == DECODE && !held && op == SOFTMAX) begin
            softmax_header <= header;
            softmax_rows <= rows;
            softmax_words <= 5'(words);
            softmax_count <= 9'(count);
            chances_number <= operator_number;
        end
    softmax #(.LANES(16), .WORDS_MOST(16), .OUT(8)) probabilities (
        .clk, .reset, .rows(softmax_rows), .words(softmax_words), .count(softmax_count),
        .exp_offset(m[10][17:0]), .exp_shift(m[11][4:0]), .exp_last(m[11][12:8]),
        .near_offset(signed'(m[12][23:0])), .near_shift(m[13][4:0]), .near_last(m[13][13:8]),
        .near_drop(m[13][20:16]), .near_half(m[16]),
        .far_offset(signed'(m[17][23:0])), .far_shift(m[18][4:0]), .far_last(m[18][13:8]),
        .far_drop(m[18][20:16]), .far_half(m[19]), .peak(m[20][7:0]),
        .load_exp(tables && op == SOFTMAX && at < 16'd4),
        .load_near(tables && op == SOFTMAX && at >= 16'd4 && at < 16'd12),
        .load_far(tables && op == SOFTMAX && at >= 16'd12),
        .load_index(at < 16'd4 ? at[2:0] : 3'(at - 16'd4)), .load_data(beat),
        .start(go && op == SOFTMAX), .busy(softmax_busy), .read_row(softmax_read_row),
        .read_word(softmax_read_word), .scores(wide_rdata), .valid(chances_we), .row(chances_row),
        .word(softmax_word), .result(chances_bytes));
    assign chances_tile = 16'(softmax_word);
    assign chances_waddr = chances_base + ADDRESS'(chances_row >> T) * chances_stride + ADDRESS'(softmax_word);
    always_comb begin
        if (softmax_busy)
            wide_raddr = scores_base + ADDRESS'(softmax_read_row) * scores_stride + ADDRESS'(softmax_read_word);
        else if (op == SELECT)
            wide_raddr = source + ADDRESS'(select_read_row) * stride + ADDRESS'(select_read_word);
        else if (op == NORM)
            wide_raddr = source + ADDRESS'(norm_read_row) * stride + ADDRESS'(norm_read_word);
        else
            wide_raddr = stream_base + ADDRESS'(gemm_row) * stream_stride + ADDRESS'(gemm_tile);
    end

    // --- token selection
    logic select_valid, packaged, earlier;
    // verilator lint_off UNUSEDSIGNAL
    logic plain;                       // a package of equal weights: for who looks
    // verilator lint_on UNUSEDSIGNAL
    logic [15:0] select_read_row, select_row, kept;
    logic [W-1:0] select_read_word, select_word;
    logic [255:0] select_result;
    select #(.LANES(16), .IN(16), .WORDS_MOST(WORDS_MOST), .ROWS_MOST(ROWS_MOST)) selection (
        .clk, .reset, .rows((R+1)'(rows)), .words((W+1)'(words)), .fixed(h[11][R:0]), .merged(h[13][0] && earlier),
        .threshold(h[10][7:0]), .most(h[12][R:0] > (R+1)'(rows) ? (R+1)'(rows) : h[12][R:0]),
        .score_valid(post[3] && mode == 4'd6 && tile3 == '0), .score_row(R'(row3)), .score(looked[7:0]),
        .start(go && op == SELECT), .busy(select_busy), .read_row(select_read_row), .read_word(select_read_word),
        .values(wide_rdata), .valid(select_valid), .row(select_row), .word(select_word), .result(select_result),
        .kept, .packaged, .plain);
    always_ff @(posedge clk)
        if (state == RUN && !go_late && !running && op == SELECT) begin
            live <= kept;
            earlier <= packaged;
        end

    // --- LOAD
    logic [15:0] load_row, load_word;
    logic load_write;
    assign load_write = load_busy && state == RUN && beat_valid;
    always_ff @(posedge clk) begin
        if (reset) load_busy <= 1'b0;
        else if (go && op == LOAD) begin
            load_busy <= 1'b1;
            load_row <= '0;
            load_word <= '0;
        end else if (load_write) begin
            load_word <= load_word == words - 16'd1 ? '0 : load_word + 16'd1;
            if (load_word == words - 16'd1) begin
                load_row <= load_row + 16'd1;
                if (load_row == rows - 16'd1) load_busy <= 1'b0;
            end
        end
    end

    // --- what is written
    assign tables = state == TABLES && beat_valid;
    assign drained = post == '0;
    assign first_we = load_write || norm_valid || post[3] && (mode == 4'd0 || mode == 4'd6);
    assign second_we = post[3] && mode == 4'd1;
    assign wide_we = select_valid || post[3] && (mode == 4'd2 || mode == 4'd3 || mode == 4'd4);
    assign out_we = post[3] && mode == 4'd5;
    always_comb begin
        case (op)
            LOAD: {write_row, write_tile, write_bytes} = {load_row, load_word, beat};
            NORM: {write_row, write_tile, write_bytes} = {norm_row, 16'(norm_word), norm_result};
            SELECT: {write_row, write_tile, write_bytes} = {select_row, 16'(select_word), looked};
            default: {write_row, write_tile, write_bytes} = {row3, tile3, looked};
        endcase
    end
    assign write_wide = op == SELECT ? select_result : wide_result;
    assign write_out = sums3;
endmodule
