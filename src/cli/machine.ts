/** What the process knows of its machine beside what the library asks of a runtime: memory and cores. */
import { freemem, totalmem } from "node:os";
import { physicalCores } from "../host/node/node-cores.ts";

export interface Machine {
  /** Bytes of RAM, and of it what is free. */
  readonly memory: number;
  readonly freeMemory: number;
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

export function readMachine({ constrainedMemory }: Constrained = process, memory = totalmem()): Machine {
  const limit = constrainedMemory?.call(process) ?? 0;
  return {
    memory,
    freeMemory: freemem(),
    memoryLimit: limit > 0 && limit < memory ? limit : undefined,
    cores: physicalCores(),
  };
}
