/**
 * One memory with the kernels over it, the buffers of a forward pass and the tables of positions.
 * `open-workspace.ts` makes it, and is the only place where memory is planned, opened and loaded. A model
 * that is too large for one memory has several: each has some of the layers, and a pass goes through all.
 */
import type { Description } from "../../architecture/description.ts";
import type { ModelConfig } from "../../architecture/model-config.ts";
import type { BuildName } from "../../kernels/kernel-build.ts";
import type { KernelExports } from "../../kernels/kernel-table.ts";
import type { Pointer } from "../../kernels/pointer.ts";
import type { Kernels } from "../../kernels/kernels.ts";
import type { MemoryPlan, RegionKind } from "../../kernels/memory-plan.ts";
import type { Buffers, PositionTables, Staging } from "./buffers.ts";

/** What planning a region takes: the plan so far, and the size functions of the kernels that will run. */
export interface Planner {
  readonly plan: MemoryPlan;
  readonly sizes: KernelExports;
  readonly description: Description;
  readonly config: ModelConfig;
}

export interface Workspace {
  readonly description: Description;
  readonly config: ModelConfig;
  readonly kernels: Kernels;
  readonly buffers: Buffers;
  readonly tables: PositionTables;
  /** One for each sequence that can have room in the cache at a time: the numbers of its blocks, i32[].
   * The first has them in order from the start. */
  readonly blockTables: readonly Pointer[];
  /** Where rows wait to be packed. */
  readonly staging: Staging;
  /** Tokens of a sequence, at most. */
  readonly positions: number;
  /** The build of the kernels. */
  readonly build: BuildName;
  /** Bytes by purpose. */
  readonly regions: Readonly<Record<RegionKind, number>>;
}

/** A part of a model, and the workspace it lies in. */
export interface Placed<T> {
  readonly space: Workspace;
  readonly item: T;
}
