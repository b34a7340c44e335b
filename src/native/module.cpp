// vedette._native: buffers in, kernels, numbers out. Stable ABI of Python 3.11.
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030b0000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "lanes.h"
#include "norm8.h"
#include "conv16.h"
#include "product8.h"
#include "quantize8.h"
#include "rans.h"

#include <initializer_list>

namespace {

// A contiguous buffer of items of one size, released with the object.
struct Buffer {
    Py_buffer view{};
    bool held = false;
    bool take(PyObject *object, int size, bool writable) {
        if (PyObject_GetBuffer(object, &view, writable ? PyBUF_CONTIG : PyBUF_CONTIG_RO) < 0) return false;
        held = true;
        if (view.itemsize != size) {
            PyErr_Format(PyExc_TypeError, "items of %zd bytes where %d are needed", view.itemsize, size);
            return false;
        }
        return true;
    }
    template <class T> T *data() const { return static_cast<T *>(view.buf); }
    Py_ssize_t count() const { return view.len / view.itemsize; }
    ~Buffer() {
        if (held) PyBuffer_Release(&view);
    }
};

bool take_tables(PyObject *const *objects, Buffer *buffers, RansTables *tables) {
    if (!buffers[0].take(objects[0], 4, false) || !buffers[1].take(objects[1], 4, false) ||
        !buffers[2].take(objects[2], 4, false) || !buffers[3].take(objects[3], 2, false))
        return false;
    const Py_ssize_t count = buffers[2].count();
    if (buffers[1].count() != count + 1 || buffers[3].count() != 256 * count ||
        buffers[1].data<int32_t>()[count] > buffers[0].count()) {
        PyErr_SetString(PyExc_ValueError, "table arrays disagree in length");
        return false;
    }
    const int32_t *starts = buffers[1].data<int32_t>();
    for (Py_ssize_t k = 0; k < count; ++k)
        if (starts[k] < 0 || starts[k + 1] - starts[k] < 2) {
            PyErr_SetString(PyExc_ValueError, "table starts do not rise");
            return false;
        }
    *tables = {buffers[0].data<int32_t>(), buffers[1].data<int32_t>(), buffers[2].data<int32_t>(),
               buffers[3].data<uint16_t>(), static_cast<int32_t>(count)};
    return true;
}

bool lanes_fit(Py_ssize_t lanes) {
    if (lanes >= 1 && lanes <= 128 && (lanes & (lanes - 1)) == 0) return true;
    PyErr_SetString(PyExc_ValueError, "lanes must be a power of two, 1..128");
    return false;
}

// rans_encode(symbols, ids, cdf, starts, firsts, buckets, states, words, escapes) -> (words, escapes)
PyObject *rans_encode(PyObject *, PyObject *args) {
    PyObject *o[9];
    if (!PyArg_ParseTuple(args, "OOOOOOOOO", &o[0], &o[1], &o[2], &o[3], &o[4], &o[5], &o[6], &o[7], &o[8]))
        return nullptr;
    Buffer symbols, ids, table_buffers[4], states, words, escapes;
    RansTables tables;
    if (!symbols.take(o[0], 4, false) || !ids.take(o[1], 4, false) || !take_tables(o + 2, table_buffers, &tables) ||
        !states.take(o[6], 8, true) || !words.take(o[7], 2, true) || !escapes.take(o[8], 4, true) ||
        !lanes_fit(states.count()))
        return nullptr;
    const Py_ssize_t n = symbols.count();
    if (ids.count() != n || words.count() < n || escapes.count() < n) {
        PyErr_SetString(PyExc_ValueError, "symbol arrays disagree in length");
        return nullptr;
    }
    int64_t written = 0, escaped = 0;
    Py_BEGIN_ALLOW_THREADS
    written = vedette_rans_encode(symbols.data<int32_t>(), ids.data<int32_t>(), n, &tables,
                                  static_cast<int32_t>(states.count()), states.data<uint64_t>(),
                                  words.data<uint16_t>(), escapes.data<int32_t>(), &escaped);
    Py_END_ALLOW_THREADS
    return Py_BuildValue("LL", static_cast<long long>(written), static_cast<long long>(escaped));
}

// rans_decode(symbols, ids, cdf, starts, firsts, buckets, states, words, escapes, cursor) -> status
PyObject *rans_decode(PyObject *, PyObject *args) {
    PyObject *o[10];
    if (!PyArg_ParseTuple(args, "OOOOOOOOOO", &o[0], &o[1], &o[2], &o[3], &o[4], &o[5], &o[6], &o[7], &o[8], &o[9]))
        return nullptr;
    Buffer symbols, ids, table_buffers[4], states, words, escapes, cursor;
    RansTables tables;
    if (!symbols.take(o[0], 4, true) || !ids.take(o[1], 4, false) || !take_tables(o + 2, table_buffers, &tables) ||
        !states.take(o[6], 8, true) || !words.take(o[7], 2, false) || !escapes.take(o[8], 4, false) ||
        !cursor.take(o[9], 8, true) || !lanes_fit(states.count()))
        return nullptr;
    if (ids.count() != symbols.count() || cursor.count() < 4) {
        PyErr_SetString(PyExc_ValueError, "symbol arrays disagree in length");
        return nullptr;
    }
    int32_t status = 0;
    Py_BEGIN_ALLOW_THREADS
    status = vedette_rans_decode(symbols.data<int32_t>(), ids.data<int32_t>(), symbols.count(), &tables,
                                 static_cast<int32_t>(states.count()), states.data<uint64_t>(),
                                 words.data<uint16_t>(), words.count(), escapes.data<int32_t>(), escapes.count(),
                                 cursor.data<int64_t>());
    Py_END_ALLOW_THREADS
    return PyLong_FromLong(status);
}

// Buffers of a tuple, from its first on; the first complaint stays.
struct Buffers {
    PyObject *args;
    Buffer held[32];
    int used = 0;
    bool good = true;
    explicit Buffers(PyObject *args) : args(args) {}
    template <class T> T *take(int64_t *count, bool writable = false) {
        if (!good) return nullptr;
        Buffer &buffer = held[used];
        good = buffer.take(PyTuple_GetItem(args, used++), static_cast<int>(sizeof(T)), writable);
        if (good && count) *count = buffer.count();
        return good ? buffer.data<T>() : nullptr;
    }
    template <class T> const T *rows(int64_t *count, int columns) {
        const T *data = take<T>(count);
        if (good && *count % columns) refuse("an array has another number of columns");
        if (good) *count /= columns;
        return data;
    }
    void refuse(const char *why) {
        if (good) PyErr_SetString(PyExc_ValueError, why);
        good = false;
    }
    void need(bool condition, const char *why) {
        if (good && !condition) refuse(why);
    }
};

bool take_program(Buffers &from, LanesProgram *p) {
    int64_t contents = 0, count = 0;
    p->stream = from.rows<int32_t>(&p->entries, 5);
    p->nodes = from.rows<int32_t>(&p->node_count, 5);
    p->contents = from.take<uint64_t>(&contents);
    p->node_inputs = from.take<int32_t>(&p->edge_count);
    p->groups = from.rows<int32_t>(&p->group_count, 3);
    p->members = from.rows<int32_t>(&p->member_count, 3);
    p->memories = from.rows<int32_t>(&p->memory_count, 2);
    p->writes = from.rows<int32_t>(&p->write_count, 5);
    p->write_addresses = from.take<int32_t>(&p->address_count);
    p->flip_flops = from.take<int32_t>(&p->flip_flop_count);
    p->inputs = from.take<int32_t>(&p->input_count);
    p->outputs = from.take<int32_t>(&p->output_count);
    const int64_t *sizes = from.take<int64_t>(&count);
    if (!from.good) return false;
    from.need(count >= 4 && contents == p->node_count, "arrays of the program disagree in length");
    if (!from.good) return false;
    p->rows = sizes[0], p->bits = sizes[1];
    from.need(vedette_lanes_valid(p), "a number in the program points outside it");
    return from.good;
}

int64_t memory_bits(const LanesProgram &p) {
    int64_t total = 0;
    for (int64_t i = 0; i < p.memory_count; ++i) total += p.memories[2 * i];
    return total;
}

bool lanes_status(int32_t status) {
    if (status == 2) PyErr_NoMemory();
    return status != 2;
}

// lanes_golden(program..., sizes, stimulus, initial, contents, trace, state, memory, visits)
PyObject *lanes_golden(PyObject *, PyObject *args) {
    if (PyTuple_Size(args) != 20) return PyErr_Format(PyExc_TypeError, "20 arguments are needed");
    Buffers from(args);
    LanesProgram program;
    if (!take_program(from, &program)) return nullptr;
    const int64_t *sizes = from.held[from.used - 1].data<int64_t>();
    LanesGolden run{};
    run.cycles = sizes[2], run.every = sizes[3];
    int64_t n[7] = {};
    run.stimulus = from.take<uint8_t>(&n[0]);
    run.state = from.take<uint8_t>(&n[1]);
    run.contents = from.take<uint8_t>(&n[2]);
    run.trace = from.take<uint64_t>(&n[3], true);
    run.flip_flops = from.take<uint64_t>(&n[4], true);
    run.checkpoints = from.take<uint8_t>(&n[5], true);
    run.visits = from.take<int32_t>(&n[6], true);
    if (!from.good) return nullptr;
    const int64_t words = (run.cycles + 63) / 64, bits = memory_bits(program);
    from.need(run.cycles >= 1 && run.cycles <= INT32_MAX && run.every >= 1 &&
                  n[0] == run.cycles * program.input_count && n[1] == program.flip_flop_count && n[2] == bits &&
                  n[3] == program.bits * words && n[4] == program.flip_flop_count * words &&
                  n[5] == (run.cycles + run.every - 1) / run.every * bits && n[6] == 64 * program.node_count,
              "arrays of the run disagree in length");
    if (!from.good) return nullptr;
    int32_t status = 0;
    Py_BEGIN_ALLOW_THREADS
    status = vedette_lanes_golden(&program, &run);
    Py_END_ALLOW_THREADS
    return lanes_status(status) ? PyLong_FromLong(status) : nullptr;
}

// lanes_run(program..., sizes, stimulus, state, contents, marks, toggles, flips, compare, alarms, right,
//           quiet, counted, counts, outputs, stop, target, settle, edge) -> 0, or 1: stopped
PyObject *lanes_run(PyObject *, PyObject *args) {
    if (PyTuple_Size(args) != 30) return PyErr_Format(PyExc_TypeError, "30 arguments are needed");
    Buffers from(args);
    LanesProgram program;
    if (!take_program(from, &program)) return nullptr;
    const Buffer &given = from.held[from.used - 1]; // the sizes
    LanesRun run{};
    int64_t n[12] = {};
    run.stimulus = from.take<uint8_t>(&n[0]);
    run.state = from.take<uint8_t>(&n[1]);
    run.contents = from.take<uint8_t>(&n[2]);
    run.marks = from.take<LanesMark>(&run.mark_count, true);
    run.toggles = from.take<LanesToggle>(&run.toggle_count);
    run.flips = from.take<LanesFlip>(&run.flip_count);
    run.compare = from.take<int32_t>(&run.compare_count);
    run.alarms = from.take<int32_t>(&run.alarm_count);
    run.right = from.take<uint8_t>(&n[3]);
    run.quiet = from.take<uint8_t>(&n[4]);
    run.counted = from.take<uint8_t>(&n[5]);
    run.counts = from.take<int32_t>(&n[6], true);
    run.outputs = from.take<uint64_t>(&n[7], true);
    run.stop = from.take<int32_t>(&n[8]);
    if (!from.good) return nullptr;
    from.need(given.count() == 5, "five sizes are needed");
    if (!from.good) return nullptr;
    const int64_t *sizes = given.data<int64_t>();
    run.cycles = sizes[2], run.start = sizes[3], run.words = sizes[4];
    run.target = static_cast<int32_t>(PyLong_AsLong(PyTuple_GetItem(args, from.used)));
    run.settle = reinterpret_cast<LanesPart>(PyLong_AsVoidPtr(PyTuple_GetItem(args, from.used + 1)));
    run.edge = reinterpret_cast<LanesPart>(PyLong_AsVoidPtr(PyTuple_GetItem(args, from.used + 2)));
    if (PyErr_Occurred()) return nullptr;
    const int64_t kept = run.cycles * program.output_count * run.words;
    if (n[7] == 0) run.outputs = nullptr;
    from.need(vedette_lanes_run_valid(&program, &run), "a number in the batch points outside the program");
    from.need(n[0] == run.cycles * program.input_count && n[1] == program.flip_flop_count &&
                  n[2] == memory_bits(program) && n[3] == run.cycles * run.compare_count &&
                  n[4] == run.cycles * run.alarm_count && n[5] == run.cycles && n[6] == 256 * run.words &&
                  (n[7] == 0 || n[7] == kept) && n[8] == 1,
              "arrays of the run disagree in length");
    if (!from.good) return nullptr;
    int32_t status = 0;
    Py_BEGIN_ALLOW_THREADS
    status = vedette_lanes_run(&program, &run);
    Py_END_ALLOW_THREADS
    return lanes_status(status) ? PyLong_FromLong(status) : nullptr;
}

// lanes_targets() -> names, the fastest last
PyObject *lanes_targets(PyObject *, PyObject *) {
    const int32_t count = vedette_lanes_targets();
    return count == 3   ? Py_BuildValue("(sss)", "plain", "avx2", "avx512")
           : count == 2 ? Py_BuildValue("(ss)", "plain", "avx2")
                        : Py_BuildValue("(s)", "plain");
}

bool patches_fit(const Product8Patches &p) {
    for (const int64_t size : {p.batch, p.height, p.width, p.channels, p.kernel_h, p.kernel_w, p.stride, p.dilation,
                               p.up, p.out_h, p.out_w})
        if (size < 1 || size >= int64_t{1} << 20) return false;
    if (p.batch * p.height * p.width >= int64_t{1} << 40 || p.batch * p.out_h * p.out_w >= int64_t{1} << 40) return false;
    return p.pad_h >= 0 && p.pad_w >= 0 && p.pad_h < int64_t{1} << 20 && p.pad_w < int64_t{1} << 20;
}

// product8(a, b, [m, n, k, threads, target, kind of a, of b, 13 of the patches], order, doublings, sums, values,
// rows, columns, bias): what is empty is left out
PyObject *product8(PyObject *, PyObject *args) {
    if (PyTuple_Size(args) != 10) return PyErr_Format(PyExc_TypeError, "10 arguments are needed");
    Buffers from(args);
    int64_t n[10] = {};
    Product8Task task{};
    task.a = from.take<int8_t>(&n[0]);
    task.b = from.take<int8_t>(&n[1]);
    const int64_t *sizes = from.take<int64_t>(&n[2]);
    task.order = from.take<int32_t>(&n[3]);
    task.doublings = from.take<int64_t>(&n[4]);
    task.sums = from.take<int32_t>(&n[5], true);
    task.values = from.take<float>(&n[6], true);
    task.rows = from.take<float>(&n[7]);
    task.columns = from.take<float>(&n[8]);
    task.bias = from.take<float>(&n[9]);
    if (!from.good) return nullptr;
    from.need(n[2] == 20, "twenty sizes are needed");
    if (!from.good) return nullptr;
    const int64_t m = sizes[0], columns = sizes[1], k = sizes[2], most = int64_t{1} << 31;
    from.need(m >= 0 && columns >= 0 && k >= 0 && k < most && m < most && columns < most && sizes[3] >= 1 &&
                  sizes[3] <= 1024 && sizes[5] >= 0 && sizes[5] <= PATCHES && sizes[6] >= 0 &&
                  sizes[6] <= INNER_PATCHES && sizes[6] != PATCHES &&
                  !(sizes[5] == PATCHES && sizes[6] == INNER_PATCHES),
              "a size is out of range");
    if (!from.good) return nullptr;
    task.m = m, task.n = columns, task.k = k;
    task.a_kind = static_cast<Product8Kind>(sizes[5]);
    task.b_kind = static_cast<Product8Kind>(sizes[6]);
    const int64_t *p = sizes + 7;
    task.patches = {p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9], p[10], p[11], p[12]};
    const bool left = task.a_kind == PATCHES, right = task.b_kind == INNER_PATCHES;
    from.need((!left && !right) || patches_fit(task.patches), "a size of the patches is out of range");
    if (!from.good) return nullptr;
    const int64_t image = p[0] * p[1] * p[2] * p[3], pixels = p[0] * p[11] * p[12], patch = p[4] * p[5] * p[3];
    from.need(left ? n[0] == image && m == pixels && k == patch : n[0] == m * k, "a has another size");
    from.need(right ? n[1] == image && k == pixels && columns == patch : n[1] == columns * k, "b has another size");
    from.need((n[5] == 0 || n[5] == m * columns) &&
                  (n[6] == 0 || (n[6] == m * columns && n[7] == m && n[8] == columns)) &&
                  (n[9] == 0 || n[9] == columns),
              "arrays of the product disagree in length");
    for (int64_t i = 0; from.good && i < n[3]; ++i)
        from.need(task.order[i] >= -1 && task.order[i] < k, "the order names what is not there");
    task.length = n[3] ? n[3] : k;
    for (int64_t i = 0; from.good && i < n[4]; ++i)
        from.need(task.doublings[i] % 4 == 0 && task.doublings[i] >= (i ? task.doublings[i - 1] : 0) &&
                      task.doublings[i] < task.length,
                  "doublings must rise, at multiples of 4");
    if (!from.good) return nullptr;
    task.doubling_count = n[4];
    if (!n[3]) task.order = nullptr;
    if (!n[5]) task.sums = nullptr;
    if (!n[6]) task.values = nullptr;
    if (!n[9]) task.bias = nullptr;
    int32_t status = 0;
    Py_BEGIN_ALLOW_THREADS
    status = vedette_product8(&task, static_cast<int32_t>(sizes[3]), static_cast<int32_t>(sizes[4]));
    Py_END_ALLOW_THREADS
    return lanes_status(status) ? PyLong_FromLong(status) : nullptr;
}

// product8_targets() -> how many
PyObject *product8_targets(PyObject *, PyObject *) { return PyLong_FromLong(vedette_product8_targets()); }

bool conv16_fits(Buffers &from, int64_t outputs, int64_t inputs, int64_t kernel) {
    const int64_t most = int64_t{1} << 16;
    from.need(outputs >= 1 && outputs < most && inputs >= 1 && inputs < most && kernel >= 1 && kernel <= 15 &&
                  kernel % 2 == 1,
              "a size of the convolution is out of range");
    return from.good;
}

// conv16_packed(outputs, inputs, kernel) -> values
PyObject *conv16_packed(PyObject *, PyObject *args) {
    if (PyTuple_Size(args) != 1) return PyErr_Format(PyExc_TypeError, "1 argument is needed");
    Buffers from(args);
    int64_t n = 0;
    const int64_t *sizes = from.take<int64_t>(&n);
    from.need(n == 3, "three sizes are needed");
    if (!from.good || !conv16_fits(from, sizes[0], sizes[1], sizes[2])) return nullptr;
    return PyLong_FromLongLong(vedette_conv16_packed(sizes[0], sizes[1], sizes[2]));
}

// conv16_pack(weight, [outputs, inputs, kernel], packed)
PyObject *conv16_pack(PyObject *, PyObject *args) {
    if (PyTuple_Size(args) != 3) return PyErr_Format(PyExc_TypeError, "3 arguments are needed");
    Buffers from(args);
    int64_t n[3] = {};
    const int16_t *weight = from.take<int16_t>(&n[0]);
    const int64_t *sizes = from.take<int64_t>(&n[1]);
    int16_t *packed = from.take<int16_t>(&n[2], true);
    from.need(n[1] == 3, "three sizes are needed");
    if (!from.good || !conv16_fits(from, sizes[0], sizes[1], sizes[2])) return nullptr;
    from.need(n[0] == sizes[0] * sizes[1] * sizes[2] * sizes[2] &&
                  n[2] == vedette_conv16_packed(sizes[0], sizes[1], sizes[2]),
              "arrays disagree in length");
    if (!from.good) return nullptr;
    vedette_conv16_pack(weight, sizes[0], sizes[1], sizes[2], packed);
    Py_RETURN_NONE;
}

// conv16(x, packed, bias, shifts, [batch, height, width, inputs, outputs, kernel, low, high, threads, target,
// planes], out)
PyObject *conv16(PyObject *, PyObject *args) {
    if (PyTuple_Size(args) != 6) return PyErr_Format(PyExc_TypeError, "6 arguments are needed");
    Buffers from(args);
    int64_t n[6] = {};
    Conv16Task task{};
    task.x = from.take<float>(&n[0]);
    task.packed = from.take<int16_t>(&n[1]);
    task.bias = from.take<int32_t>(&n[2]);
    task.shifts = from.take<int32_t>(&n[3]);
    const int64_t *sizes = from.take<int64_t>(&n[4]);
    task.out = from.take<float>(&n[5], true);
    from.need(n[4] == 11, "eleven sizes are needed");
    if (!from.good || !conv16_fits(from, sizes[4], sizes[3], sizes[5])) return nullptr;
    const int64_t most = int64_t{1} << 24, pixels = sizes[0] * sizes[1] * sizes[2];
    from.need(sizes[0] >= 0 && sizes[0] < most && sizes[1] >= 0 && sizes[1] < most && sizes[2] >= 0 &&
                  sizes[2] < most && sizes[8] >= 1 && sizes[8] <= 1024 && sizes[6] <= sizes[7] &&
                  sizes[6] >= INT32_MIN && sizes[7] <= INT32_MAX,
              "a size is out of range");
    if (!from.good) return nullptr;
    from.need(n[0] == pixels * sizes[3] && n[5] == pixels * sizes[4] && n[2] == sizes[4] && n[3] == sizes[4] &&
                  n[1] == vedette_conv16_packed(sizes[4], sizes[3], sizes[5]),
              "arrays disagree in length");
    for (int64_t i = 0; from.good && i < n[3]; ++i)
        from.need(task.shifts[i] >= 0 && task.shifts[i] < 32, "a shift is out of range");
    if (!from.good) return nullptr;
    task.batch = sizes[0], task.height = sizes[1], task.width = sizes[2];
    task.inputs = sizes[3], task.outputs = sizes[4], task.kernel = sizes[5];
    task.planes = sizes[10] != 0;
    task.low = static_cast<int32_t>(sizes[6]), task.high = static_cast<int32_t>(sizes[7]);
    int32_t status = 0;
    Py_BEGIN_ALLOW_THREADS
    status = vedette_conv16(&task, static_cast<int32_t>(sizes[8]), static_cast<int32_t>(sizes[9]));
    Py_END_ALLOW_THREADS
    return lanes_status(status) ? PyLong_FromLong(status) : nullptr;
}

// conv16_targets() -> how many
PyObject *conv16_targets(PyObject *, PyObject *) { return PyLong_FromLong(vedette_conv16_targets()); }

// ranges(x, [m, n, threads], column factors, row factors, rows, columns): what is empty is left out
PyObject *ranges(PyObject *, PyObject *args) {
    if (PyTuple_Size(args) != 6) return PyErr_Format(PyExc_TypeError, "6 arguments are needed");
    Buffers from(args);
    int64_t n[6] = {};
    const float *x = from.take<float>(&n[0]);
    const int64_t *sizes = from.take<int64_t>(&n[1]);
    const float *column_factors = from.take<float>(&n[2]), *row_factors = from.take<float>(&n[3]);
    float *rows = from.take<float>(&n[4], true), *columns = from.take<float>(&n[5], true);
    if (!from.good) return nullptr;
    from.need(n[1] == 3, "three sizes are needed");
    if (!from.good) return nullptr;
    const int64_t most = int64_t{1} << 31;
    from.need(sizes[0] >= 0 && sizes[0] < most && sizes[1] >= 0 && sizes[1] < most && sizes[2] >= 1 &&
                  sizes[2] <= 1024,
              "a size is out of range");
    from.need(n[0] == sizes[0] * sizes[1] && (n[2] == 0 || n[2] == sizes[1]) && (n[3] == 0 || n[3] == sizes[0]) &&
                  (n[4] == 0 || n[4] == sizes[0]) && (n[5] == 0 || n[5] == sizes[1]),
              "arrays disagree in length");
    if (!from.good) return nullptr;
    int32_t status = 0;
    Py_BEGIN_ALLOW_THREADS
    status = vedette_ranges(x, sizes[0], sizes[1], n[2] ? column_factors : nullptr, n[3] ? row_factors : nullptr,
                            n[4] ? rows : nullptr, n[5] ? columns : nullptr, static_cast<int32_t>(sizes[2]));
    Py_END_ALLOW_THREADS
    return lanes_status(status) ? PyLong_FromLong(status) : nullptr;
}

// quantize8(x, [m, n, q, threads, seed or -1], columns, inverse, column_shifts, row_shifts, out)
PyObject *quantize8(PyObject *, PyObject *args) {
    if (PyTuple_Size(args) != 7) return PyErr_Format(PyExc_TypeError, "7 arguments are needed");
    Buffers from(args);
    int64_t n[7] = {};
    Quantize8Task task{};
    task.x = from.take<float>(&n[0]);
    const int64_t *sizes = from.take<int64_t>(&n[1]);
    task.columns = from.take<float>(&n[2]);
    task.inverse = from.take<float>(&n[3]);
    task.column_shifts = from.take<int8_t>(&n[4]);
    task.row_shifts = from.take<int8_t>(&n[5]);
    task.out = from.take<int8_t>(&n[6], true);
    if (!from.good) return nullptr;
    from.need(n[1] == 5, "five sizes are needed");
    if (!from.good) return nullptr;
    const int64_t rows = sizes[0], columns = sizes[1], most = int64_t{1} << 31;
    from.need(rows >= 0 && rows < most && columns >= 0 && columns < most && sizes[2] >= 1 && sizes[2] <= 127 &&
                  sizes[3] >= 1 && sizes[3] <= 1024 && sizes[4] >= -1 && sizes[4] < int64_t{1} << 32,
              "a size is out of range");
    from.need(n[0] == rows * columns && n[6] == n[0] && (n[2] == 0 || n[2] == columns) &&
                  (n[3] == 1 || n[3] == rows) && (n[4] == 0 || n[4] == columns) && (n[5] == 0 || n[5] == rows),
              "arrays disagree in length");
    for (int64_t i = 0; from.good && i < n[4]; ++i)
        from.need(task.column_shifts[i] >= 0 && task.column_shifts[i] < 8, "a shift is out of range");
    for (int64_t i = 0; from.good && i < n[5]; ++i)
        from.need(task.row_shifts[i] >= 0 && task.row_shifts[i] < 8, "a shift is out of range");
    if (!from.good) return nullptr;
    task.m = rows, task.n = columns, task.q = static_cast<int32_t>(sizes[2]);
    task.inverse_per_row = n[3] > 1;
    task.stochastic = sizes[4] >= 0;
    task.seed = static_cast<uint32_t>(sizes[4]);
    if (!n[2]) task.columns = nullptr;
    if (!n[4]) task.column_shifts = nullptr;
    if (!n[5]) task.row_shifts = nullptr;
    int32_t status = 0;
    Py_BEGIN_ALLOW_THREADS
    status = vedette_quantize8(&task, static_cast<int32_t>(sizes[3]));
    Py_END_ALLOW_THREADS
    return lanes_status(status) ? PyLong_FromLong(status) : nullptr;
}

// clip_errors(x, steps, [q], errors); x beyond a multiple of 16 is left out
PyObject *clip_errors(PyObject *, PyObject *args) {
    if (PyTuple_Size(args) != 4) return PyErr_Format(PyExc_TypeError, "4 arguments are needed");
    Buffers from(args);
    int64_t n[4] = {};
    const float *x = from.take<float>(&n[0]), *steps = from.take<float>(&n[1]);
    const int64_t *q = from.take<int64_t>(&n[2]);
    float *errors = from.take<float>(&n[3], true);
    from.need(n[2] == 1 && n[3] == n[1], "arrays disagree in length");
    if (!from.good) return nullptr;
    from.need(*q >= 1 && *q <= 127, "q is out of range");
    if (!from.good) return nullptr;
    Py_BEGIN_ALLOW_THREADS
    vedette_clip_errors(x, n[0], steps, n[1], static_cast<int32_t>(*q), errors);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

// pack4(values, out) and unpack4(packed, out)
PyObject *pack4(PyObject *, PyObject *args) {
    if (PyTuple_Size(args) != 2) return PyErr_Format(PyExc_TypeError, "2 arguments are needed");
    Buffers from(args);
    int64_t n[2] = {};
    const int8_t *x = from.take<int8_t>(&n[0]);
    uint8_t *out = from.take<uint8_t>(&n[1], true);
    from.need(n[1] == (n[0] + 1) / 2, "arrays disagree in length");
    if (!from.good) return nullptr;
    vedette_pack4(x, n[0], out);
    Py_RETURN_NONE;
}

PyObject *unpack4(PyObject *, PyObject *args) {
    if (PyTuple_Size(args) != 2) return PyErr_Format(PyExc_TypeError, "2 arguments are needed");
    Buffers from(args);
    int64_t n[2] = {};
    const uint8_t *x = from.take<uint8_t>(&n[0]);
    int8_t *out = from.take<int8_t>(&n[1], true);
    from.need(n[0] == (n[1] + 1) / 2, "arrays disagree in length");
    if (!from.good) return nullptr;
    vedette_unpack4(x, n[1], out);
    Py_RETURN_NONE;
}

// The sizes of a matrix and its switches; whether x, of so many values, has them.
const int64_t *take_shape(Buffers &from, int64_t values, int64_t switches) {
    int64_t count = 0;
    const int64_t *sizes = from.take<int64_t>(&count);
    from.need(count >= 2 + switches, "sizes are missing");
    if (!from.good) return nullptr;
    const int64_t most = int64_t{1} << 31;
    from.need(sizes[0] >= 0 && sizes[0] < most && sizes[1] >= 0 && sizes[1] < most && sizes[0] * sizes[1] == values,
              "the matrix has another size");
    from.need(sizes[2] >= 1 && sizes[2] <= 1024, "a size is out of range");
    return from.good ? sizes : nullptr;
}

// norm_sums(x, [m, n, threads, rows], sums, least, most)
PyObject *norm_sums(PyObject *, PyObject *args) {
    if (PyTuple_Size(args) != 5) return PyErr_Format(PyExc_TypeError, "5 arguments are needed");
    Buffers from(args);
    int64_t n[4] = {};
    const int8_t *x = from.take<int8_t>(&n[0]);
    const int64_t *sizes = take_shape(from, n[0], 2);
    int64_t *sums = from.take<int64_t>(&n[1], true);
    int8_t *least = from.take<int8_t>(&n[2], true), *most = from.take<int8_t>(&n[3], true);
    if (!from.good) return nullptr;
    const int64_t groups = sizes[3] ? sizes[0] : sizes[1];
    from.need(n[1] == groups && n[2] == groups && n[3] == groups, "arrays disagree in length");
    if (!from.good) return nullptr;
    int32_t status = 0;
    Py_BEGIN_ALLOW_THREADS
    status = vedette_norm_sums(x, sizes[0], sizes[1], sizes[3] != 0, sums, least, most, static_cast<int32_t>(sizes[2]));
    Py_END_ALLOW_THREADS
    return lanes_status(status) ? PyLong_FromLong(status) : nullptr;
}

// norm_deviations(x, [m, n, threads, rows, squared], centers, sums)
PyObject *norm_deviations(PyObject *, PyObject *args) {
    if (PyTuple_Size(args) != 4) return PyErr_Format(PyExc_TypeError, "4 arguments are needed");
    Buffers from(args);
    int64_t n[3] = {};
    const int8_t *x = from.take<int8_t>(&n[0]);
    const int64_t *sizes = take_shape(from, n[0], 3);
    const int8_t *centers = from.take<int8_t>(&n[1]);
    int64_t *sums = from.take<int64_t>(&n[2], true);
    if (!from.good) return nullptr;
    const int64_t groups = sizes[3] ? sizes[0] : sizes[1];
    from.need(n[1] == groups && n[2] == groups, "arrays disagree in length");
    if (!from.good) return nullptr;
    int32_t status = 0;
    Py_BEGIN_ALLOW_THREADS
    status = vedette_norm_deviations(x, sizes[0], sizes[1], sizes[3] != 0, sizes[4] != 0, centers, sums, static_cast<int32_t>(sizes[2]));
    Py_END_ALLOW_THREADS
    return lanes_status(status) ? PyLong_FromLong(status) : nullptr;
}

// norm_apply(x, [m, n, threads, rows], a, b, gain, offset, [step], integers, floats): one of the last two is empty
PyObject *norm_apply(PyObject *, PyObject *args) {
    if (PyTuple_Size(args) != 9) return PyErr_Format(PyExc_TypeError, "9 arguments are needed");
    Buffers from(args);
    int64_t n[8] = {};
    const int8_t *x = from.take<int8_t>(&n[0]);
    const int64_t *sizes = take_shape(from, n[0], 2);
    const float *a = from.take<float>(&n[1]), *b = from.take<float>(&n[2]), *gain = from.take<float>(&n[3]),
                *offset = from.take<float>(&n[4]), *step = from.take<float>(&n[5]);
    int8_t *integers = from.take<int8_t>(&n[6], true);
    float *floats = from.take<float>(&n[7], true);
    if (!from.good) return nullptr;
    const int64_t groups = sizes[3] ? sizes[0] : sizes[1], others = sizes[3] ? sizes[1] : sizes[0];
    from.need(n[1] == groups && n[2] == groups && n[3] == n[4] && (n[3] == 0 || n[3] == others) && n[5] == 1 &&
                  (n[6] == n[0] || n[6] == 0) && n[6] + n[7] == n[0],
              "arrays disagree in length");
    if (!from.good) return nullptr;
    int32_t status = 0;
    Py_BEGIN_ALLOW_THREADS
    status = vedette_norm_apply(x, sizes[0], sizes[1], sizes[3] != 0, a, b, n[3] ? gain : nullptr, offset, *step,
                       n[6] ? integers : nullptr, floats, static_cast<int32_t>(sizes[2]));
    Py_END_ALLOW_THREADS
    return lanes_status(status) ? PyLong_FromLong(status) : nullptr;
}

// norm_gradient_sums(g, x, [m, n, threads, rows], means, sums of g, of g x, of signs)
PyObject *norm_gradient_sums(PyObject *, PyObject *args) {
    if (PyTuple_Size(args) != 7) return PyErr_Format(PyExc_TypeError, "7 arguments are needed");
    Buffers from(args);
    int64_t n[6] = {};
    const int8_t *g = from.take<int8_t>(&n[0]), *x = from.take<int8_t>(&n[1]);
    const int64_t *sizes = take_shape(from, n[1], 2);
    const float *means = from.take<float>(&n[2]);
    int64_t *sums[3];
    for (int i = 0; i < 3; ++i) sums[i] = from.take<int64_t>(&n[3 + i], true);
    if (!from.good) return nullptr;
    const int64_t groups = sizes[3] ? sizes[0] : sizes[1];
    from.need(n[0] == n[1], "arrays disagree in length");
    for (int i = 2; i < 6; ++i) from.need(n[i] == groups, "arrays disagree in length");
    if (!from.good) return nullptr;
    int32_t status = 0;
    Py_BEGIN_ALLOW_THREADS
    status = vedette_norm_gradient_sums(g, x, sizes[0], sizes[1], sizes[3] != 0, means, sums[0], sums[1], sums[2], static_cast<int32_t>(sizes[2]));
    Py_END_ALLOW_THREADS
    return lanes_status(status) ? PyLong_FromLong(status) : nullptr;
}

// norm_gradient(g, x, [m, n, threads, rows, linear], means, p, q, r, out)
PyObject *norm_gradient(PyObject *, PyObject *args) {
    if (PyTuple_Size(args) != 8) return PyErr_Format(PyExc_TypeError, "8 arguments are needed");
    Buffers from(args);
    int64_t n[7] = {};
    const int8_t *g = from.take<int8_t>(&n[0]), *x = from.take<int8_t>(&n[1]);
    const int64_t *sizes = take_shape(from, n[1], 3);
    const float *of[4];
    for (int i = 0; i < 4; ++i) of[i] = from.take<float>(&n[2 + i]);
    float *out = from.take<float>(&n[6], true);
    if (!from.good) return nullptr;
    const int64_t groups = sizes[3] ? sizes[0] : sizes[1];
    from.need(n[0] == n[1] && n[6] == n[1], "arrays disagree in length");
    for (int i = 2; i < 6; ++i) from.need(n[i] == groups, "arrays disagree in length");
    if (!from.good) return nullptr;
    int32_t status = 0;
    Py_BEGIN_ALLOW_THREADS
    status = vedette_norm_gradient(g, x, sizes[0], sizes[1], sizes[3] != 0, sizes[4] != 0, of[0], of[1], of[2], of[3], out, static_cast<int32_t>(sizes[2]));
    Py_END_ALLOW_THREADS
    return lanes_status(status) ? PyLong_FromLong(status) : nullptr;
}

PyMethodDef methods[] = {{"clip_errors", clip_errors, METH_VARARGS, nullptr},
                         {"lanes_golden", lanes_golden, METH_VARARGS, nullptr},
                         {"lanes_run", lanes_run, METH_VARARGS, nullptr},
                         {"lanes_targets", lanes_targets, METH_NOARGS, nullptr},
                         {"conv16", conv16, METH_VARARGS, nullptr},
                         {"conv16_pack", conv16_pack, METH_VARARGS, nullptr},
                         {"conv16_packed", conv16_packed, METH_VARARGS, nullptr},
                         {"conv16_targets", conv16_targets, METH_NOARGS, nullptr},
                         {"product8", product8, METH_VARARGS, nullptr},
                         {"product8_targets", product8_targets, METH_NOARGS, nullptr},
                         {"norm_apply", norm_apply, METH_VARARGS, nullptr},
                         {"norm_deviations", norm_deviations, METH_VARARGS, nullptr},
                         {"norm_gradient", norm_gradient, METH_VARARGS, nullptr},
                         {"norm_gradient_sums", norm_gradient_sums, METH_VARARGS, nullptr},
                         {"norm_sums", norm_sums, METH_VARARGS, nullptr},
                         {"pack4", pack4, METH_VARARGS, nullptr},
                         {"quantize8", quantize8, METH_VARARGS, nullptr},
                         {"ranges", ranges, METH_VARARGS, nullptr},
                         {"unpack4", unpack4, METH_VARARGS, nullptr},
                         {"rans_encode", rans_encode, METH_VARARGS, nullptr},
                         {"rans_decode", rans_decode, METH_VARARGS, nullptr},
                         {nullptr, nullptr, 0, nullptr}};
PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_native", nullptr, 0, methods, nullptr, nullptr, nullptr, nullptr};

} // namespace

PyMODINIT_FUNC PyInit__native(void) { return PyModule_Create(&definition); }
