// A matrix product, output stationary: TOKENS x 16 sums at once, TERMS terms of each a cycle.
//
// For each tile of 16 outputs, for each group of TOKENS rows, for each chunk of TERMS terms: one cycle. The next
// tile's weights are loaded meanwhile, from the parameter stream, or from activations: "direct", where the 16
// outputs are 16 rows of the second memory (q k'), or "transposed", where they are 16 of its columns (p v).
// A finished group of sums moves to a copy, from which a row leaves a cycle while the next group is summed.
module gemm #(
    parameter int TOKENS = 8,             // 8 or 16
    parameter int TERMS = 8,              // 8, or as many as TOKENS
    parameter int CHUNKS_MOST = 128,
    parameter int ADDRESS = 16,           // of the activation memories
    parameter bit PACKED = 1'b1,
    localparam int K = $clog2(CHUNKS_MOST),
    localparam int T = $clog2(TOKENS),
    localparam int WORD = 16 * TERMS * 8,     // weights of a chunk, bits
    localparam int LAST = TERMS / 2 - 1       // pair of beats of a word from the stream
) (
    input  logic                     clk, reset,
    // parameters, held while it runs
    input  logic [15:0]              rows,
    input  logic [K:0]               chunks,
    input  logic [15:0]              tiles,
    input  logic [ADDRESS-1:0]       a_base, a_stride, b_base, b_stride,
    input  logic                     from_memory, transposed,
    input  logic                     slow,        // rows leave when `row_taken` says so; no weights ahead
    input  logic                     start,
    output logic                     busy,
    // parameter stream, two beats at a time
    input  logic                     pair_valid,
    input  logic [255:0]             pair,
    output logic                     pair_taken,
    // activation memories, read: what is asked for comes a cycle later
    output logic [ADDRESS-1:0]       a_address, b_address,
    input  logic [TOKENS*128-1:0]    a_data, b_data,
    // finished rows
    output logic                     row_valid,
    input  logic                     row_taken,
    output logic [15:0]              row,
    output logic [15:0]              tile,
    output logic [511:0]             sums
);
    logic [15:0] groups;
    assign groups = (rows + 16'(TOKENS - 1)) >> T;

    // --- weights: two banks of CHUNKS_MOST words, and a bias for each output
    logic weight_we;
    logic [K:0] weight_waddr, weight_raddr;
    logic [WORD-1:0] weight_wdata, weight_data;
    logic [511:0] bias[2];
    memory #(.WIDTH(WORD), .DEPTH(2 * CHUNKS_MOST)) weights (
        .clk, .we(weight_we), .waddr(weight_waddr), .wdata(weight_wdata),
        .raddr(weight_raddr), .rdata(weight_data));

    logic [15:0] load_tile, sum_tile;     // being loaded, being summed
    logic [1:0] full;                     // banks that hold a tile
    logic loading, load_done, sum_done;   // a tile is finished
    logic load_may;
    logic [3:0] part;                     // of a word, or of the bias
    logic in_bias;
    logic [K:0] load_chunk;
    logic [WORD-129:0] gathered;              // from the stream, all but its last pair
    logic draining, summing;
    logic copy_busy;                      // the copy still holds rows that have not left
    logic [2:1] go;                       // stages of the sums that are under way
    assign load_may = busy && load_tile < tiles && !full[load_tile[0]]
                      && (!slow || (load_tile == sum_tile && !copy_busy && !draining && go == '0));

    // from the stream: 2 pairs of bias, then TERMS / 2 a word
    assign pair_taken = loading && !from_memory && pair_valid;
    // from memory: parts of a word, one a cycle; the data comes a cycle later
    localparam int PARTS = 16 / TOKENS;
    logic fetch_more, fetched, fetched_last, fetched_half;
    logic [3:0] fetched_part;
    logic [K-1:0] fetched_chunk;
    logic [ADDRESS-1:0] fetch_group;
    assign fetch_more = loading && from_memory && load_chunk < chunks;
    assign fetch_group = transposed ? ADDRESS'(load_chunk) >> (T - $clog2(TERMS))
                                    : ADDRESS'(load_tile * 16'(PARTS)) + ADDRESS'(part);
    assign b_address = ADDRESS'(b_base + fetch_group * b_stride
                                + (transposed ? ADDRESS'(load_tile) : ADDRESS'(load_chunk) >> (TERMS == 8)));
    logic [WORD-1:0] turned, joined;
    logic fetched_high;                   // the later 8 of 16: columns, or rows where it is transposed
    assign fetched_high = TERMS == 8 && fetched_half;
    always_comb begin
        for (int o = 0; o < 16; o++)
            for (int i = 0; i < TERMS; i++)
                turned[(o*TERMS+i)*8+:8] = b_data[((TOKENS == 16 && fetched_high ? i + 8 : i) % TOKENS * 16 + o)*8+:8];
        joined = {128'd0, gathered};
        for (int o = 0; o < TOKENS; o++)
            joined[((32'(fetched_part) * TOKENS + o) % 16)*TERMS*8+:TERMS*8] =
                b_data[o*128+(fetched_high ? 64 : 0)+:TERMS*8];
    end
    assign load_done = loading && (from_memory ? fetched && fetched_last
                                   : pair_valid && !in_bias && part == 4'(LAST) && load_chunk == chunks - 1'b1);
    always_comb begin
        if (from_memory) begin
            weight_we = fetched && (transposed || fetched_part == 4'(PARTS - 1));
            weight_waddr = {load_tile[0], fetched_chunk};
            weight_wdata = transposed ? turned : joined;
        end else begin
            weight_we = pair_taken && !in_bias && part == 4'(LAST);
            weight_waddr = {load_tile[0], K'(load_chunk)};
            weight_wdata = {pair, gathered[WORD-129:128]};
        end
    end
    always_ff @(posedge clk) begin
        if (reset || start) begin
            loading <= 1'b0;
            load_tile <= '0;
            fetched <= 1'b0;
        end else begin
            if (!loading && load_may) begin
                loading <= 1'b1;
                in_bias <= !from_memory;
                part <= '0;
                load_chunk <= '0;
                if (from_memory) bias[load_tile[0]] <= '0;
            end
            if (pair_taken) begin
                if (in_bias) begin
                    bias[load_tile[0]] <= {pair, bias[load_tile[0]][511:256]};
                    part <= part == 4'd1 ? 4'd0 : part + 4'd1;
                    in_bias <= part != 4'd1;
                end else begin
                    gathered <= {pair, gathered[WORD-129:256]};
                    part <= part == 4'(LAST) ? 4'd0 : part + 4'd1;
                    if (part == 4'(LAST)) load_chunk <= load_chunk + 1'b1;
                end
            end
            fetched <= fetch_more;
            fetched_part <= part;
            fetched_chunk <= K'(load_chunk);
            fetched_half <= load_chunk[0];
            fetched_last <= load_chunk == chunks - 1'b1 && (transposed || part == 4'(PARTS - 1));
            if (fetch_more) begin
                if (transposed || part == 4'(PARTS - 1)) begin
                    part <= '0;
                    load_chunk <= load_chunk + 1'b1;
                end else part <= part + 4'd1;
            end
            if (fetched && !transposed) gathered <= joined[WORD-129:0];
            if (load_done) begin
                loading <= 1'b0;
                load_tile <= load_tile + 16'd1;
            end
        end
    end

    // --- sums: issue, operands, products, accumulators
    logic [15:0] group;
    logic [K:0] chunk;
    logic issue, issue_last;
    assign summing = busy && sum_tile < tiles && full[sum_tile[0]];
    assign issue_last = chunk == chunks - 1'b1;
    assign issue = summing && !(issue_last && copy_busy);
    assign sum_done = issue && issue_last && group == groups - 16'd1;
    assign a_address = ADDRESS'(a_base + ADDRESS'(group) * a_stride + (ADDRESS'(chunk) >> (TERMS == 8)));
    assign weight_raddr = {sum_tile[0], K'(chunk)};
    logic [2:1] go_first, go_last;
    // verilator lint_off UNUSEDSIGNAL
    logic half1;                          // the later 8 of a word of 16, where there are 8 terms
    // verilator lint_on UNUSEDSIGNAL
    logic [15:0] group1, group2, tile1, tile2;
    logic [511:0] bias1, bias2;
    always_ff @(posedge clk) begin
        if (reset || start) begin
            sum_tile <= '0;
            group <= '0;
            chunk <= '0;
            go <= '0;
            full <= '0;
        end else begin
            if (issue) begin
                chunk <= issue_last ? '0 : chunk + 1'b1;
                if (issue_last) group <= sum_done ? '0 : group + 16'd1;
                if (sum_done) sum_tile <= sum_tile + 16'd1;
            end
            if (sum_done) full[sum_tile[0]] <= 1'b0;
            if (load_done) full[load_tile[0]] <= 1'b1;
            go <= {go[1], issue};
        end
        go_first <= {go_first[1], chunk == '0};
        go_last <= {go_last[1], issue_last};
        half1 <= chunk[0];
        {group2, group1} <= {group1, group};
        {tile2, tile1} <= {tile1, sum_tile};
        {bias2, bias1} <= {bias1, bias[sum_tile[0]]};
    end
    logic signed [31:0] sum[TOKENS][16];
    logic signed [31:0] copy[TOKENS][16];
    for (genvar t = 0; t < TOKENS; t++) begin : g_token
        logic [TERMS*8-1:0] x;
        assign x = a_data[t*128+(TERMS == 8 && half1 ? 64 : 0)+:TERMS*8];
        for (genvar o = 0; o < 16; o += 2) begin : g_pair
            logic signed [18:0] dot_a[TERMS/8], dot_b[TERMS/8];
            logic signed [31:0] next_a, next_b;
            for (genvar e = 0; e < TERMS / 8; e++) begin : g_eight
                dot #(.N(8), .PACKED(PACKED)) products (
                    .clk, .x(x[e*64+:64]), .a(weight_data[(o*TERMS+e*8)*8+:64]),
                    .b(weight_data[((o+1)*TERMS+e*8)*8+:64]), .sum_a(dot_a[e]), .sum_b(dot_b[e]));
            end
            always_comb begin
                next_a = go_first[2] ? signed'(bias2[o*32+:32]) : sum[t][o];
                next_b = go_first[2] ? signed'(bias2[(o+1)*32+:32]) : sum[t][o+1];
                for (int e = 0; e < TERMS / 8; e++) begin
                    next_a += 32'(dot_a[e]);
                    next_b += 32'(dot_b[e]);
                end
            end
            always_ff @(posedge clk)
                if (go[2]) begin
                    sum[t][o] <= next_a;
                    sum[t][o+1] <= next_b;
                    if (go_last[2]) begin
                        copy[t][o] <= next_a;
                        copy[t][o+1] <= next_b;
                    end
                end
        end
    end

    // --- rows leave the copy
    logic [T:0] leaving;                  // row of the copy; TOKENS: none
    logic [15:0] copy_group, copy_tile;
    assign draining = leaving != (T+1)'(TOKENS);
    assign row = copy_group * 16'(TOKENS) + 16'(leaving);
    assign tile = copy_tile;
    assign row_valid = draining && row < rows;
    always_comb for (int o = 0; o < 16; o++) sums[o*32+:32] = copy[T'(leaving)][o];
    logic step;
    assign step = draining && (!row_valid || row_taken);
    always_ff @(posedge clk) begin
        if (reset || start) begin
            leaving <= (T+1)'(TOKENS);
            copy_busy <= 1'b0;
        end else begin
            if (go[2] && go_last[2]) begin
                leaving <= '0;
                copy_group <= group2;
                copy_tile <= tile2;
            end else if (step) leaving <= leaving + 1'b1;
            // the copy is written three edges after its last chunk was issued: it may be issued that early
            if (issue && issue_last) copy_busy <= 1'b1;
            else if (step && leaving == (slow ? (T+1)'(TOKENS - 1) : (T+1)'(TOKENS - 4))) copy_busy <= 1'b0;
        end
    end
    logic all_left;
    assign all_left = sum_tile == tiles && !copy_busy && !draining && go == '0;
    always_ff @(posedge clk) begin
        if (reset) busy <= 1'b0;
        else if (start) busy <= 1'b1;
        else if (all_left) busy <= 1'b0;
    end
endmodule
