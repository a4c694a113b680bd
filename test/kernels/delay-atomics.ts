/** Delays between the accesses of a thread to shared memory, as a busy machine has them, but by a seed. */
import { mulberry32 } from "../random.ts";

/** One access of so many is followed by a delay. */
const RARITY = 40;

/** From now on this thread is slow. @returns what ends it */
export function delayAtomics(seed: number): () => void {
  const random = mulberry32(seed);
  const original = Object.fromEntries(NAMES.map((name) => [name, Atomics[name]])) as unknown as typeof Atomics;
  const nowhere = new Int32Array(new SharedArrayBuffer(4));
  const { wait } = Atomics;
  const delay = () => {
    const kind = random() * RARITY;
    if (kind < 0.8) for (let spins = 4000 * random(); spins > 0; spins--) original.load(nowhere, 0);
    else if (kind < 1) wait(nowhere, 0, 0, 2 * random());
  };
  for (const name of NAMES) {
    const access = original[name] as (...args: unknown[]) => number;
    Object.assign(Atomics, {
      [name]: (...args: unknown[]) => {
        delay();
        const result = access(...args);
        delay();
        return result;
      },
    });
  }
  return () => void Object.assign(Atomics, original);
}

const NAMES = ["load", "store", "add", "sub", "exchange", "compareExchange"] as const;
