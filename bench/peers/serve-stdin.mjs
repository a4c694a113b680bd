/** The other end of `ChildSession`: calls an operation for each line of stdin, in order. */
import { createInterface } from "node:readline";

/** @param {Record<string, (request: any) => Promise<object>>} operations */
export async function serveStdin(operations) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { operation, ...request } = JSON.parse(line);
    let answer;
    try {
      answer = (await operations[operation](request)) ?? {};
    } catch (error) {
      answer = { error: error instanceof Error ? error.message : String(error) };
    }
    process.stdout.write(`answer ${JSON.stringify(answer)}\n`);
  }
  process.exit(0);
}

/** @param {() => Promise<unknown>} work @returns {Promise<{ ms: number }>} */
export async function timed(work) {
  const began = performance.now();
  await work();
  return { ms: performance.now() - began };
}
