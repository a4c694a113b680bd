/** What `kernel-table.ts` says, for those who only name it. */
export type { KernelExports } from "./kernel-table.ts";
export type { Pointer } from "./pointer.ts";
