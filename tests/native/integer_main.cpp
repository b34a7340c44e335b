// Runs the integer operators on the calls in one file and writes what they gave to another.
// Usage: integer_main INPUT OUTPUT. A call: its operator and numbers as int64, then the operator's
// arrays. An answer: the status, then the result, of no values where the call was refused.
#include "arrays.h"
#include "integer.h"

using Numbers = std::vector<int64_t>;
using Integers = std::vector<int32_t>;

static int32_t small(int64_t number) {
    if (number < INT32_MIN || number > INT32_MAX) std::exit(3);
    return static_cast<int32_t>(number);
}

static int32_t conv2d(FILE *input, const Numbers &call, Numbers &result) {
    const int32_t height = small(call[1]), width = small(call[2]);
    const Integers x = take<int32_t>(input), weight = take<int32_t>(input);
    const Numbers bias = take<int64_t>(input);
    IntegerConv2d conv{};
    conv.weight = weight.data(), conv.bias = bias.empty() ? nullptr : bias.data();
    conv.inputs = small(call[3]), conv.outputs = small(call[4]);
    conv.kernel_height = small(call[5]), conv.kernel_width = small(call[6]);
    conv.stride = small(call[7]), conv.padding = small(call[8]);
    result.resize(static_cast<size_t>(call[9])); // exactly: the sanitizer then sees every place too far
    return vedette_conv2d(x.data(), height, width, &conv, result.data());
}

static int32_t requantize(FILE *input, const Numbers &call, Numbers &result) {
    const Numbers sums = take<int64_t>(input);
    const Integers shifts = take<int32_t>(input);
    Integers out(sums.size());
    const int64_t pixels = static_cast<int64_t>(sums.size() / shifts.size());
    const int32_t status = vedette_requantize(sums.data(), small(static_cast<int64_t>(shifts.size())), pixels,
                                              shifts.data(), small(call[1]), small(call[2]), out.data());
    result.assign(out.begin(), out.end());
    return status;
}

static int32_t product(FILE *input, Numbers &result) {
    const Integers a = take<int32_t>(input), b = take<int32_t>(input), shifts = take<int32_t>(input);
    result.resize(a.size());
    return vedette_product(a.data(), b.data(), small(static_cast<int64_t>(shifts.size())),
                           static_cast<int64_t>(a.size() / shifts.size()), shifts.data(), result.data());
}

static int32_t lookup(FILE *input, const Numbers &call, Numbers &result) {
    const Numbers x = take<int64_t>(input), table = take<int64_t>(input);
    result.resize(x.size());
    return vedette_lookup(x.data(), static_cast<int64_t>(x.size()), table.data(), static_cast<int64_t>(table.size()),
                          call[1], result.data());
}

static int32_t isqrt(FILE *input, Numbers &result) {
    const Numbers n = take<int64_t>(input);
    result.resize(n.size());
    return vedette_isqrt(n.data(), static_cast<int64_t>(n.size()), result.data());
}

static int32_t gdn(FILE *input, const Numbers &call, Numbers &result) {
    const Integers x = take<int32_t>(input);
    const Numbers beta = take<int64_t>(input);
    const Integers gamma = take<int32_t>(input);
    result.resize(x.size());
    return vedette_gdn(x.data(), small(static_cast<int64_t>(beta.size())),
                       static_cast<int64_t>(x.size() / beta.size()), beta.data(), gamma.data(), small(call[1]),
                       small(call[2]), result.data());
}

static int32_t lift(FILE *input, const Numbers &call, Numbers &result) {
    const Numbers numbers = take<int64_t>(input);
    std::vector<LiftingStep> steps;
    for (size_t i = 0; i < numbers.size(); i += 3) steps.push_back({numbers[i], numbers[i + 1], small(numbers[i + 2])});
    result = take<int64_t>(input);
    return vedette_lift(result.data(), static_cast<int64_t>(result.size()), steps.data(),
                        small(static_cast<int64_t>(steps.size())), small(call[1]));
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    FILE *input = std::fopen(arguments[1], "rb"), *output = std::fopen(arguments[2], "wb");
    if (!input || !output) return 2;
    const int64_t calls = take<int64_t>(input).at(0);
    for (int64_t i = 0; i < calls; ++i) {
        const Numbers call = take<int64_t>(input);
        Numbers result, status(1);
        switch (call[0]) {
        case 0: status[0] = conv2d(input, call, result); break;
        case 1: status[0] = requantize(input, call, result); break;
        case 2: status[0] = product(input, result); break;
        case 3: status[0] = lookup(input, call, result); break;
        case 4: status[0] = isqrt(input, result); break;
        case 5: status[0] = gdn(input, call, result); break;
        case 6: status[0] = lift(input, call, result); break;
        default: return 3;
        }
        if (status[0]) result.clear();
        put(output, status), put(output, result);
    }
    return std::fclose(output) ? 2 : 0;
}
