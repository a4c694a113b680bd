import { suite } from "uvu";
import * as assert from "uvu/assert";
import { physicalCores } from "../../src/host/node/node-cores.ts";

const test = suite("physical cores");

const siblings =
  (...lists: string[]) =>
  (cpu: number) => {
    if (cpu >= lists.length) throw new Error("ENOENT");
    return `${lists[cpu]}\n`;
  };

test("hardware threads of one core count once", () => assert.is(physicalCores(4, siblings("0,2", "1,3", "0,2", "1,3")), 2));

test("cores the process may not use do not count", () => assert.is(physicalCores(2, siblings("0", "1", "2", "3")), 2));

test("where the pairing is unknown every hardware thread counts", () => assert.is(physicalCores(6, siblings()), 6));

test.run();
