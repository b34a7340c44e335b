"""The benches of the oracle: C++ around Verilator's model, Verilog for Icarus.

Both stand around a module `bench` whose ports are vectors: all inputs, all outputs, and what the form of
the export adds. Both read `stimulus.hex` (one line a cycle, bit i of the number is input bit i),
`faults.txt` (number, start, stop, then the values of the form: fsel and fbit, or how many bits and which)
and, for a run of faults, `golden.hex` and `mask.hex` (which outputs count in which cycle). They sample after
the operations settled and before the edge, and write `results.txt`: number, mismatching cycles, first,
last, CRC-32 of the output stream. A run without faults writes `golden.hex` instead.
"""

from vedette.softerror.design import Design, Reset
from vedette.softerror.export import configuration, select_widths
from vedette.softerror.verilog import identifier

FORMS = ("select", "cfg", "copy")


def wrapper(design: Design, form: str, upset: bool) -> str:
    """Verilog module `bench` around the exported design, with vectors as ports.

    Args:
        upset: whether the copy has the port `upset`.
    """
    inputs, outputs = max(1, len(design.input_bits)), max(1, len(design.output_bits))
    ports, joins = [f"input [{inputs - 1}:0] stimulus", f"output [{outputs - 1}:0] response"], []
    if design.clock:
        joins.append(f".{identifier(design.clock)}(clk)")
    for vector, group in (("stimulus", design.inputs), ("response", design.outputs)):
        low = 0
        for port in group:
            high = low + len(port.bits) - 1
            joins.append(f".{identifier(port.name)}({vector}[{high}:{low}])")
            low = high + 1
    for name, width in form_ports(design, form, upset):
        ports.append(f"input [{width - 1}:0] {name}")
        joins.append(f".{name}({name})")
    top = identifier(design.name)
    return f"module bench(input clk, {', '.join(ports)});\n{top} dut({', '.join(joins)});\nendmodule\n"


def form_ports(design: Design, form: str, upset: bool) -> list[tuple[str, int]]:
    """Names and widths of the ports that a form adds."""
    if form == "select":
        fsel, fbit = select_widths(design)
        return [("fsel", fsel), ("fbit", fbit)]
    if form == "cfg":
        return [("cfg", max(1, design.configuration_bits))]
    return [("upset", 1)] if upset else []


def hex_lines(design: Design) -> str:
    """The fault-free configuration in words of 32 bits, the lowest first: `cfg.hex`."""
    value, words = configuration(design), -(-max(1, design.configuration_bits) // 32)
    data = value.to_bytes(words * 4, "little")
    return "".join(f"{int.from_bytes(data[i : i + 4], 'little'):08x}\n" for i in range(0, len(data), 4))


_CPP = r"""
#include <ctime>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>
typedef std::vector<uint32_t> Words;
constexpr int IN = @IN@, OUT = @OUT@, CFG = @CFG@;  // bits
constexpr int IN_WORDS = (IN + 31) / 32, OUT_WORDS = (OUT + 31) / 32, OUT_BYTES = (OUT + 7) / 8;
static inline void drive(QData& port, const uint32_t* w) { port = w[0] | static_cast<QData>(w[1]) << 32; }
template <std::size_t N> static inline void drive(VlWide<N>& port, const uint32_t* w) {
  for (std::size_t i = 0; i < N; ++i) port[i] = w[i];
}
template <typename T> static inline void drive(T& port, const uint32_t* w) { port = static_cast<T>(w[0]); }
static inline void sense(uint32_t* w, const QData& port) { w[0] = port; if (OUT > 32) w[1] = port >> 32; }
template <std::size_t N> static inline void sense(uint32_t* w, const VlWide<N>& port) {
  for (std::size_t i = 0; i < N; ++i) w[i] = port[i];
}
template <typename T> static inline void sense(uint32_t* w, const T& port) { w[0] = port; }
static uint32_t table[256];
static double seconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec + 1e-9 * now.tv_nsec;
}
static Words read_hex(const char* name, int words) {
  Words all;
  FILE* file = std::fopen(name, "r");
  if (!file) { std::fprintf(stderr, "no %s\n", name); std::exit(3); }
  std::vector<char> line(8 * words + 16);
  while (std::fgets(line.data(), line.size(), file)) {
    std::size_t at = all.size(), length = std::strcspn(line.data(), "\r\n");
    all.resize(at + words);
    for (std::size_t i = 0; i < length; ++i) {
      char c = line[length - 1 - i];
      uint32_t digit = c <= '9' ? c - '0' : c - 'a' + 10;
      all[at + i / 8] |= digit << (4 * (i % 8));
    }
  }
  std::fclose(file);
  return all;
}
int main() {
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int k = 0; k < 8; ++k) value = value & 1 ? value >> 1 ^ 0xEDB88320u : value >> 1;
    table[i] = value;
  }
  const Words stimulus = read_hex("stimulus.hex", IN_WORDS);
  const long cycles = stimulus.size() / IN_WORDS;
#if @IS_CFG@
  Words base = read_hex("cfg.hex", 1);
  base.push_back(0);
#endif
  FILE* faults = std::fopen("faults.txt", "r");
  const bool golden_run = faults == nullptr;
  Words golden(cycles * OUT_WORDS), mask;
  if (!golden_run) { golden = read_hex("golden.hex", OUT_WORDS); mask = read_hex("mask.hex", OUT_WORDS); }
  FILE* results = std::fopen("results.txt", "w");
  double spent = 0;
  for (;;) {
    long number = -1, start = 0, stop = 0;
    uint32_t pair[2][2] = {{0, 0}, {0, 0}}, none[2] = {@NONE@u, 0};
    (void)pair; (void)none;
    Words bits;
    if (!golden_run) {
      if (std::fscanf(faults, "%ld %ld %ld", &number, &start, &stop) != 3) break;
#if @IS_SELECT@
      if (std::fscanf(faults, "%u %u", &pair[0][0], &pair[1][0]) != 2) break;
#elif @IS_CFG@
      unsigned count, bit;
      if (std::fscanf(faults, "%u", &count) != 1) break;
      while (count-- && std::fscanf(faults, "%u", &bit) == 1) bits.push_back(bit);
#endif
    }
    VerilatedContext context;
    const std::unique_ptr<Vtop> top{new Vtop{&context}};
#if @IS_SELECT@
    drive(top->fsel, none); drive(top->fbit, none);
#elif @IS_CFG@
    drive(top->cfg, base.data());
#endif
    long count = 0, first = -1, last = -1;
    uint32_t crc = 0xFFFFFFFFu, response[OUT_WORDS + 1] = {0};
    const double begin = seconds();
    for (long cycle = 0; cycle < cycles; ++cycle) {
      const uint32_t* in = &stimulus[cycle * IN_WORDS];
      drive(top->stimulus, in);
      if (cycle == start || cycle == stop) {
        const bool on = cycle == start && start < stop;
        (void)on;
#if @IS_SELECT@
        drive(top->fsel, on ? pair[0] : none); drive(top->fbit, on ? pair[1] : none);
#elif @IS_CFG@
        if (on || cycle > start) {
          for (uint32_t bit : bits) base[bit / 32] ^= 1u << (bit % 32);
          drive(top->cfg, base.data());
        }
#elif @IS_UPSET@
        top->upset = on;
#endif
      }
      top->clk = 0;
      top->eval();
      sense(response, top->response);
      uint32_t differs = 0;
      if (golden_run) {
        for (int i = 0; i < OUT_WORDS; ++i) golden[cycle * OUT_WORDS + i] = response[i];
      } else {
        const uint32_t *right = &golden[cycle * OUT_WORDS], *counts = &mask[cycle * OUT_WORDS];
        for (int i = 0; i < OUT_WORDS; ++i) differs |= (response[i] ^ right[i]) & counts[i];
      }
      if (differs) { ++count; last = cycle; if (first < 0) first = cycle; }
#if @CRC@
      for (int i = 0; i < OUT_BYTES; ++i)
        crc = table[(crc ^ response[i / 4] >> (8 * (i % 4))) & 255] ^ crc >> 8;
#endif
      top->clk = 1;
      top->eval();
    }
    spent += seconds() - begin;
#if @IS_CFG@
    if (start < cycles && stop >= cycles && start < stop)
      for (uint32_t bit : bits) base[bit / 32] ^= 1u << (bit % 32);
#endif
    std::fprintf(results, "%ld %ld %ld %ld %u\n", number, count, first, last, ~crc);
    if (golden_run) break;
  }
  std::fclose(results);
  if (golden_run) {
    FILE* file = std::fopen("golden.hex", "w");
    for (long cycle = 0; cycle < cycles; ++cycle) {
      for (int i = OUT_WORDS - 1; i >= 0; --i) std::fprintf(file, "%08x", golden[cycle * OUT_WORDS + i]);
      std::fputc('\n', file);
    }
    std::fclose(file);
  }
  std::printf("%.6f\n", spent);
  return 0;
}
"""


def cpp(design: Design, form: str, *, upset: bool = False, crc: bool = True) -> str:
    """The bench for Verilator: a new model for each fault; it prints the CPU seconds in its cycles alone.

    Building the model and reading files is not in them, which is kind to Verilator.
    """
    none = (1 << select_widths(design)[0]) - 1
    values = {
        "IN": max(1, len(design.input_bits)),
        "OUT": max(1, len(design.output_bits)),
        "CFG": max(1, design.configuration_bits),
        "NONE": none,
        "IS_SELECT": int(form == "select"),
        "IS_CFG": int(form == "cfg"),
        "IS_UPSET": int(upset),
        "CRC": int(crc),
    }
    text = _CPP
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return f'#include "Vtop.h"\n{text}'


_VERILOG = r"""
`timescale 1ns/1ns
module test;
  localparam CYCLES = @CYCLES@, IN = @IN@, OUT = @OUT@, BYTES = (OUT + 7) / 8;
  reg clk;
  reg [IN-1:0] stimulus, inputs [0:CYCLES-1];
  wire [OUT-1:0] response;
  reg [OUT-1:0] golden [0:CYCLES-1], mask [0:CYCLES-1];
  reg [31:0] crc, table_[0:255], value;
  wire [8*BYTES-1:0] bytes = response;
@DECLARE@
  bench u(.clk(clk), .stimulus(stimulus), .response(response)@JOIN@);
  integer faults, results, number, start, stop, cycle, count, first, last, i, got, done;
  task restart; begin
@RESTART@
  end endtask
  task simulate; begin
    count = 0; first = -1; last = -1; crc = 32'hFFFFFFFF;
    clk = 0;
    restart;
    for (cycle = 0; cycle < CYCLES; cycle = cycle + 1) begin
      stimulus = inputs[cycle];
      if (cycle == start) begin @ON@ end
      if (cycle == stop) begin @OFF@ end
      #1;
      if (faults == 0) golden[cycle] = response;
      else if (((response ^ golden[cycle]) & mask[cycle]) !== {OUT{1'b0}}) begin
        count = count + 1; last = cycle; if (first < 0) first = cycle;
      end
      if (@CRC@) for (i = 0; i < BYTES; i = i + 1)
        crc = table_[crc[7:0] ^ bytes[8*i +: 8]] ^ (crc >> 8);
      clk = 1;
      #1 clk = 0;
    end
    @OFF@
    $fdisplay(results, "%0d %0d %0d %0d %0d", number, count, first, last, ~crc);
  end endtask
  initial begin
    for (cycle = 0; cycle < 256; cycle = cycle + 1) begin
      value = cycle;
      for (i = 0; i < 8; i = i + 1) value = value[0] ? (value >> 1) ^ 32'hEDB88320 : value >> 1;
      table_[cycle] = value;
    end
    $readmemh("stimulus.hex", inputs);
@SETUP@
    results = $fopen("results.txt", "w");
    faults = @HAS_FAULTS@;
    if (faults == 0) begin
      number = -1; start = 0; stop = 0;
      simulate;
      faults = $fopen("golden.hex", "w");
      for (cycle = 0; cycle < CYCLES; cycle = cycle + 1) $fdisplay(faults, "%h", golden[cycle]);
    end else begin
      $readmemh("golden.hex", golden);
      $readmemh("mask.hex", mask);
      faults = $fopen("faults.txt", "r");
      done = 0;
      while (!done) begin
        got = $fscanf(faults, "%d %d %d", number, start, stop);
        if (got != 3) done = 1;
        else begin
@READ@
          simulate;
        end
      end
    end
    $fclose(results);
    $finish;
  end
endmodule
"""


def verilog(
    design: Design, form: str, cycles: int, *, faults: bool, upset: bool = False, crc: bool = True
) -> str:
    """The bench for Icarus; between faults it puts the state back itself.

    Args:
        faults: read a list and compare with `golden.hex`; else write that file.
    """
    prefix = "u.dut"
    restart = [
        f"    {prefix}.{'s' if ff.kind is Reset.ASYNC else 'n'}{ff.q} = 1'b{ff.initial};"
        for ff in design.flip_flops
    ]
    restart += [
        f"    {prefix}.m{i} = {memory.depth}'h{memory.initial:x};" for i, memory in enumerate(design.memories)
    ]
    if form == "copy":  # one run a model, from the state that its own text gives
        restart = []
    added = form_ports(design, form, upset)
    declare, setup, read, on, off = _form_text(design, form, upset)
    values = {
        "CYCLES": str(cycles),
        "IN": str(max(1, len(design.input_bits))),
        "OUT": str(max(1, len(design.output_bits))),
        "DECLARE": declare,
        "JOIN": "".join(f", .{name}({name})" for name, _ in added),
        "RESTART": "\n".join(restart) or "    ;",
        "ON": on,
        "OFF": off,
        "CRC": str(int(crc)),
        "SETUP": setup,
        "READ": read,
        "HAS_FAULTS": str(int(faults)),
    }
    text = _VERILOG
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _form_text(design: Design, form: str, upset: bool) -> tuple[str, str, str, str, str]:
    """Declarations, set-up, reading of a fault, switching it on, switching it off."""
    if form == "select":
        fsel, fbit = select_widths(design)
        declare = f"  reg [{fsel - 1}:0] fsel; reg [{fbit - 1}:0] fbit; integer a, b;"
        off = f"fsel = {{{fsel}{{1'b1}}}}; fbit = 0;"
        return (
            declare,
            f"    a = 0; b = 0; {off}",
            '          got = $fscanf(faults, "%d %d", a, b);',
            ("if (start < stop) begin fsel = a; fbit = b; end"),
            off,
        )
    if form == "cfg":
        bits = max(1, design.configuration_bits)
        words = -(-bits // 32)
        declare = (
            f"  reg [{32 * words - 1}:0] all, right; wire [{bits - 1}:0] cfg = all[{bits - 1}:0];\n"
            f"  reg [31:0] words_[0:{words - 1}]; integer k, many, which[0:63];"
        )
        setup = (
            '    $readmemh("cfg.hex", words_);\n'
            f"    for (i = 0; i < {words}; i = i + 1) right[32*i +: 32] = words_[i];\n"
            "    all = right; many = 0;"
        )
        read = (
            '          got = $fscanf(faults, "%d", many);\n'
            '          for (k = 0; k < many; k = k + 1) got = $fscanf(faults, "%d", which[k]);'
        )
        flip = "for (k = 0; k < many; k = k + 1) all[which[k]] = ~all[which[k]];"
        return declare, setup, read, f"if (start < stop) begin {flip} end", "all = right;"
    if upset:
        return "  reg upset;", "    upset = 0;", "", "upset = start < stop;", "upset = 0;"
    return "", "", "", "", ""
