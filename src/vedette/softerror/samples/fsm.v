// A handshake with a time limit: waits for `request`, works until `done` or for 12 cycles, tells how it ended.
module fsm (
    input            clk,
    input            rst_n,   // asynchronous, active low
    input            request,
    input            done,
    output           busy,
    output reg       finished,
    output reg       failed
);
    localparam IDLE = 2'd0, WORK = 2'd1, GOOD = 2'd2, BAD = 2'd3;
    reg [1:0] state;
    reg [3:0] waited;

    assign busy = state == WORK;

    always @(posedge clk or negedge rst_n)
        if (!rst_n) begin
            state    <= IDLE;
            waited   <= 4'd0;
            finished <= 1'b0;
            failed   <= 1'b0;
        end else begin
            finished <= state == GOOD;
            failed   <= state == BAD;
            case (state)
                IDLE: begin
                    waited <= 4'd0;
                    if (request) state <= WORK;
                end
                WORK: begin
                    waited <= waited + 4'd1;
                    if (done)                 state <= GOOD;
                    else if (waited == 4'd11) state <= BAD;
                end
                default: if (!request) state <= IDLE;
            endcase
        end
endmodule
