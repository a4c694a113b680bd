/**
 * A process that prints by how much V8's heap has grown for a tokenizer: tokenizer-heap.ts MODEL. Needs
 * --expose-gc.
 */
import { openCheckpoint } from "../../src/index.ts";
import { Tokenizer } from "../../src/tokenizer/tokenizer.ts";

const { gc } = globalThis as { gc?: () => void };
if (!gc) throw new Error("--expose-gc is needed");

async function makeTokenizer(): Promise<Tokenizer> {
  const checkpoint = await openCheckpoint(process.argv[2]!);
  await checkpoint.close();
  return new Tokenizer(checkpoint.tokenizer!, checkpoint.name);
}

async function heapUsed(): Promise<number> {
  // What promises hold is let go a turn later.
  await new Promise((resolve) => setTimeout(resolve, 50));
  gc!();
  return process.memoryUsage().heapUsed;
}

// Code is compiled and strings are interned by the first one, which is then gone.
(await makeTokenizer()).encode("hello");
const before = await heapUsed();
const tokenizer = await makeTokenizer();
tokenizer.encode("hello");
const counted = (await heapUsed()) - before;
console.log(JSON.stringify({ estimated: tokenizer.heapBytes, counted }));
