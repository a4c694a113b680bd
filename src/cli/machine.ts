/** What the process knows of its machine beside what the library asks of a runtime: memory and cores. */
import { freemem, totalmem } from "node:os";
import { physicalCores } from "../host/node/node-cores.ts";

export interface Machine {
  /** Bytes of RAM, and of it what is free; undefined where it is not told (Deno's `--allow-sys`). */
  readonly memory: number | undefined;
  readonly freeMemory: number | undefined;
  /** Bytes that a container may take; undefined without a limit below the RAM. */
  readonly memoryLimit: number | undefined;
  /** Cores with vector units of their own. */
  readonly cores: number;
}

/** The part of `process` that is asked; Deno and Bun may lack it. */
interface Constrained {
  /** The limit of the control group: 0 or beyond all memory where there is none. */
  constrainedMemory?(): number | undefined;
}

export function readMachine({ constrainedMemory }: Constrained = process, memory = told(totalmem)): Machine {
  const limit = told(() => constrainedMemory?.call(process)) ?? 0;
  return {
    memory,
    freeMemory: told(freemem),
    memoryLimit: limit > 0 && limit < (memory ?? 2 ** 53) ? limit : undefined,
    cores: physicalCores(),
  };
}

/** What the runtime says, or undefined where it may not. */
function told(ask: () => number | undefined): number | undefined {
  try {
    return ask();
  } catch {
    return undefined;
  }
}
