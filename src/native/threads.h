// Work shared by threads.
//
// A process that computes with torch has threads already, those of OpenMP, and they wait by spinning: threads of our
// own would share their cores. So where an OpenMP runtime of GNU's kind is loaded, its threads are taken.
#pragma once
#include <algorithm>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <dlfcn.h>
#endif

struct OpenMP {
    void (*parallel)(void (*)(void *), void *, unsigned, unsigned) = nullptr;
    int (*thread_num)() = nullptr;
    int (*num_threads)() = nullptr;
    OpenMP() {
#if defined(__linux__)
        const auto find = [](const char *name) { return dlsym(RTLD_DEFAULT, name); };
        parallel = reinterpret_cast<decltype(parallel)>(find("GOMP_parallel"));
        thread_num = reinterpret_cast<decltype(thread_num)>(find("omp_get_thread_num"));
        num_threads = reinterpret_cast<decltype(num_threads)>(find("omp_get_num_threads"));
#endif
    }
    bool there() const { return parallel && thread_num && num_threads; }
};

// Calls work(begin, end) for parts of 0..count, multiples of `grain`, each on a thread of its own. What a part
// throws is thrown here, after all have ended.
template <class Work> void in_threads(int64_t count, int64_t grain, int32_t threads, const Work &work) {
    const int64_t grains = (count + grain - 1) / grain, parts = std::min<int64_t>(threads, grains);
    if (parts < 2) return work(int64_t{0}, count);
    const auto edge = [&](int64_t part) { return std::min(count, grains * part / parts * grain); };
    std::exception_ptr thrown;
    std::mutex guard;
    const auto one = [&](int64_t part) {
        try {
            work(edge(part), edge(part + 1));
        } catch (...) {
            const std::lock_guard<std::mutex> held(guard);
            thrown = std::current_exception();
        }
    };
    const OpenMP openmp; // looked up anew: torch may be loaded after us
    if (openmp.there()) {
        struct Shared {
            const OpenMP *openmp;
            const decltype(one) *run;
            int64_t parts;
        } shared{&openmp, &one, parts};
        openmp.parallel(
            [](void *data) {
                const Shared &s = *static_cast<Shared *>(data);
                for (int64_t part = s.openmp->thread_num(); part < s.parts; part += s.openmp->num_threads())
                    (*s.run)(part);
            },
            &shared, static_cast<unsigned>(parts), 0);
    } else {
        std::vector<std::thread> others;
        try {
            for (int64_t part = 1; part < parts; ++part) others.emplace_back([&, part] { one(part); });
        } catch (const std::system_error &) {
            for (std::thread &other : others) other.join();
            throw;
        }
        one(0);
        for (std::thread &other : others) other.join();
    }
    if (thrown) std::rethrow_exception(thrown);
}
