"""The definition of a simulation, executed: one machine, one bit at a time, slow and plain.

Every engine is compared with this one. It follows the docstring of `design` line by line and knows no
trick; a fault is looked up wherever it could act.
"""

import numpy as np
from jaxtyping import UInt8

from vedette.softerror.design import ONE, ZERO, Design, Kind, Operation, Reset
from vedette.softerror.faults import Fault, FaultKind


def simulate(
    design: Design, stimulus: UInt8[np.ndarray, "cycles inputs"], fault: Fault | None = None
) -> UInt8[np.ndarray, "cycles outputs"]:
    """The outputs of every cycle, sampled when the operations have settled and before the edge.

    Args:
        stimulus: 0 or 1 of every input bit, a row a cycle.
        fault: None is the golden run.
    """
    return _Machine(design, fault).run(stimulus)


class _Machine:
    def __init__(self, design: Design, fault: Fault | None) -> None:
        self.design = design
        self.fault = fault
        self.value = [0] * design.bits
        self.value[ONE] = 1
        self.content = [[memory.initial >> i & 1 for i in range(memory.depth)] for memory in design.memories]
        for index, flip_flop in enumerate(design.flip_flops):
            struck = self._is(FaultKind.INITIAL) and fault is not None and fault.flip_flop == index
            self.value[flip_flop.q] = flip_flop.initial ^ struck

    def run(self, stimulus: UInt8[np.ndarray, "cycles inputs"]) -> UInt8[np.ndarray, "cycles outputs"]:
        outputs = np.zeros((len(stimulus), len(self.design.output_bits)), np.uint8)
        for cycle, row in enumerate(stimulus):
            for bit, value in zip(self.design.input_bits, row.tolist(), strict=True):
                self.value[bit] = value
            self._reset_asynchronous(cycle)
            for index, operation in enumerate(self.design.operations):
                self.value[operation.out] = self._result(cycle, index, operation)
            outputs[cycle] = [self.value[bit] for bit in self.design.output_bits]
            self._edge(cycle)
        return outputs

    def _reset_asynchronous(self, cycle: int) -> None:
        for index, flip_flop in enumerate(self.design.flip_flops):
            if flip_flop.kind is Reset.ASYNC and self.value[flip_flop.reset]:
                self.value[flip_flop.q] = self._reset_value(cycle, index)

    def _result(self, cycle: int, index: int, operation: Operation) -> int:
        pins = list(operation.inputs)
        if self._acts(FaultKind.PIN, cycle) and self.fault is not None and self.fault.operation == index:
            pins[self.fault.pin] = self.fault.source
        values = [self.value[bit] for bit in pins]
        address = sum(value << i for i, value in enumerate(values))
        match operation.kind:
            case Kind.TABLE:
                table = self.design.tables[operation.table]
                out = table.content >> address & 1
                if self._acts(FaultKind.CONFIGURATION, cycle) and self.fault is not None:
                    out ^= self.fault.bits.count(table.first_bit + address) & 1
                return out
            case Kind.READ:
                return self.content[operation.table][address]
            case Kind.NOT:
                return 1 - values[0]
            case Kind.XOR:
                return values[0] ^ values[1]
            case Kind.MUX:
                return values[2] if values[0] else values[1]

    def _edge(self, cycle: int) -> None:
        """All state at once: what is next is computed before anything changes."""
        value = self.value
        after = []
        for index, flip_flop in enumerate(self.design.flip_flops):
            if flip_flop.kind is not Reset.NONE and value[flip_flop.reset]:
                after.append(self._reset_value(cycle, index))
            elif value[flip_flop.enable]:
                after.append(value[flip_flop.d])
            else:
                after.append(value[flip_flop.q])
        for memory, content in zip(self.design.memories, self.content, strict=True):
            for write in memory.writes:
                if value[write.enable] and memory.shifts:
                    content.insert(0, value[write.d])
                    content.pop()
                elif value[write.enable]:
                    content[sum(value[bit] << i for i, bit in enumerate(write.address))] = value[write.d]
        for index, flip_flop in enumerate(self.design.flip_flops):
            value[flip_flop.q] = after[index]
        if self.fault is not None and self._is(FaultKind.STATE) and cycle == self.fault.start:
            value[self.design.flip_flops[self.fault.flip_flop].q] ^= 1

    def _reset_value(self, cycle: int, index: int) -> int:
        value = self.design.flip_flops[index].reset_value
        if self._acts(FaultKind.RESET, cycle) and self.fault is not None and self.fault.flip_flop == index:
            return 1 - value
        return value

    def _is(self, kind: FaultKind) -> bool:
        return self.fault is not None and self.fault.kind is kind

    def _acts(self, kind: FaultKind, cycle: int) -> bool:
        """Whether the fault is of this kind and in force in this cycle."""
        if self.fault is None or self.fault.kind is not kind:
            return False
        return self.fault.start <= cycle and (self.fault.stop is None or cycle < self.fault.stop)


assert ZERO == 0  # a bit that nothing sets keeps the value 0
