/** Loads what draws figures: packages that nothing else needs, and that a user of figures installs. */
import { CapabilityError } from "../../errors.ts";
import type * as activationFigures from "./activation-figures.ts";

type Figures = typeof activationFigures;

/**
 * @param option the flag that asked for a figure, for the message
 * @param load replaced by tests
 * @throws CapabilityError if one of the packages is not installed
 */
export async function loadFigures(
  option: string,
  load: () => Promise<Figures> = () => import("./activation-figures.ts"),
): Promise<Figures> {
  try {
    return await load();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== "ERR_MODULE_NOT_FOUND") throw error;
    const missing = /package '([^']+)'/.exec(message)?.[1] ?? "a package that is not installed";
    throw new CapabilityError(`${option}: got no ${missing}, need it to draw: npm install @observablehq/plot linkedom`, {
      cause: error,
    });
  }
}
