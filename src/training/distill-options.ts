/** What a caller of a distillation may choose. */
import type { OnProgress } from "../progress.ts";

export interface DistillOptions {
  readonly threads?: number | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}
