// vedette._native: buffers in, kernels, numbers out. Stable ABI of Python 3.11.
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030b0000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "lanes.h"
#include "product8.h"
#include "rans.h"

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

// product8(a, b, [m, n, k, threads, target], sums, values, rows, columns, bias): what is empty is left out
PyObject *product8(PyObject *, PyObject *args) {
    if (PyTuple_Size(args) != 8) return PyErr_Format(PyExc_TypeError, "8 arguments are needed");
    Buffers from(args);
    int64_t n[8] = {};
    const int8_t *a = from.take<int8_t>(&n[0]), *b = from.take<int8_t>(&n[1]);
    const int64_t *sizes = from.take<int64_t>(&n[2]);
    Product8Out out{};
    out.sums = from.take<int32_t>(&n[3], true);
    out.values = from.take<float>(&n[4], true);
    out.rows = from.take<float>(&n[5]);
    out.columns = from.take<float>(&n[6]);
    out.bias = from.take<float>(&n[7]);
    if (!from.good) return nullptr;
    from.need(n[2] == 5, "five sizes are needed");
    if (!from.good) return nullptr;
    const int64_t m = sizes[0], columns = sizes[1], k = sizes[2];
    from.need(m >= 0 && columns >= 0 && k >= 0 && k < int64_t{1} << 17 && m < int64_t{1} << 31 &&
                  columns < int64_t{1} << 31 && sizes[3] >= 1 && sizes[3] <= 1024,
              "a size is out of range");
    from.need(n[0] == m * k && n[1] == columns * k && (n[3] == 0 || n[3] == m * columns) &&
                  (n[4] == 0 || (n[4] == m * columns && n[5] == m && n[6] == columns)) &&
                  (n[7] == 0 || n[7] == columns),
              "arrays of the product disagree in length");
    if (!from.good) return nullptr;
    if (!n[3]) out.sums = nullptr;
    if (!n[4]) out.values = nullptr;
    if (!n[7]) out.bias = nullptr;
    int32_t status = 0;
    Py_BEGIN_ALLOW_THREADS
    status = vedette_product8(a, b, m, columns, k, &out, static_cast<int32_t>(sizes[3]),
                              static_cast<int32_t>(sizes[4]));
    Py_END_ALLOW_THREADS
    return lanes_status(status) ? PyLong_FromLong(status) : nullptr;
}

// product8_targets() -> how many
PyObject *product8_targets(PyObject *, PyObject *) { return PyLong_FromLong(vedette_product8_targets()); }

PyMethodDef methods[] = {{"lanes_golden", lanes_golden, METH_VARARGS, nullptr},
                         {"lanes_run", lanes_run, METH_VARARGS, nullptr},
                         {"lanes_targets", lanes_targets, METH_NOARGS, nullptr},
                         {"product8", product8, METH_VARARGS, nullptr},
                         {"product8_targets", product8_targets, METH_NOARGS, nullptr},
                         {"rans_encode", rans_encode, METH_VARARGS, nullptr},
                         {"rans_decode", rans_decode, METH_VARARGS, nullptr},
                         {nullptr, nullptr, 0, nullptr}};
PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_native", nullptr, 0, methods, nullptr, nullptr, nullptr, nullptr};

} // namespace

PyMODINIT_FUNC PyInit__native(void) { return PyModule_Create(&definition); }
