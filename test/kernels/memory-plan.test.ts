import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CapabilityError } from "../../src/errors.ts";
import { MemoryPlan } from "../../src/kernels/memory-plan.ts";

const test = suite("memory plan");
const PAGE = 65_536;

test("a memory the runtime has no room for is an error with the bytes needed and the bytes there are", () => {
  const { Memory } = WebAssembly;
  for (const [shared, most] of [false, true].flatMap((kind) => [[kind, 50] as const, [kind, 0] as const])) {
    const plan = new MemoryPlan();
    plan.reserve("weights", 99 * PAGE, "weights");
    const needed = plan.pages * PAGE;
    try {
      WebAssembly.Memory = class extends Memory {
        constructor(descriptor: WebAssembly.MemoryDescriptor) {
          if (descriptor.initial > most) throw new RangeError("WebAssembly.Memory(): could not allocate memory");
          super(descriptor);
        }
      };
      assert.throws(
        () => plan.createMemory(shared),
        (error: Error) => {
          assert.instance(error, CapabilityError);
          assert.instance(error.cause, RangeError);
          const [, bytes, available] = /needs (\d+) bytes.* about (\d+) are available/.exec(error.message)!;
          assert.is(Number(bytes), needed);
          // To a sixteenth of what was refused.
          assert.ok(Number(available) <= most * PAGE && Number(available) > most * PAGE - needed / 16, error.message);
          assert.match(
            error.message,
            most > 0
              ? /a smaller contextSize needs less, and with a smaller memoryLimit it is asked for in pieces$/
              : /ulimit -v/,
          );
          return true;
        },
      );
    } finally {
      WebAssembly.Memory = Memory;
    }
  }
});

test("a plan beyond 32 bits is refused before anything is allocated", () => {
  const plan = new MemoryPlan();
  plan.reserve("weights", 2 ** 31, "weights");
  assert.throws(
    () => plan.reserve("kvCache", 2 ** 31, "keys"),
    (error: Error) => error instanceof CapabilityError && error.message.startsWith(`keys: needs ${2 ** 31} bytes on top of`),
  );
});

test.run();
