// vedette._native: buffers in, kernels, numbers out. Stable ABI of Python 3.11.
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030b0000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>

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

PyMethodDef methods[] = {{"rans_encode", rans_encode, METH_VARARGS, nullptr},
                         {"rans_decode", rans_decode, METH_VARARGS, nullptr},
                         {nullptr, nullptr, 0, nullptr}};
PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_native", nullptr, 0, methods, nullptr, nullptr, nullptr, nullptr};

} // namespace

PyMODINIT_FUNC PyInit__native(void) { return PyModule_Create(&definition); }
