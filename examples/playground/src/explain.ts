/**
 * What went wrong, and what to do about it: the library's message behind words for a person who has not read
 * its documentation.
 */
import type { Failure } from "./messages.ts";

export interface Explanation {
  readonly summary: string;
  /** The message itself: which file or option, what was found, what was needed. */
  readonly detail: string;
}

export function explain({ name, message, status }: Failure): Explanation {
  return { summary: summaryOf(name, status, message), detail: message };
}

function summaryOf(name: string, status: number | undefined, message: string): string {
  if (status === 404) return "There is no model at this address. It has to be a folder with config.json in it, or a .gguf file.";
  if (status === 401 || status === 403) return "The server wants a login for this model.";
  if (name === "DownloadError")
    return "The model could not be downloaded. Is the server running, and does it allow this page (CORS)?";
  if (name === "CheckpointError" && /need a GGUF file/.test(message)) return "This is neither a GGUF file nor a model folder.";
  if (name === "CheckpointError") return "The model's files are damaged or incomplete.";
  if (name === "UnsupportedModelError") return "This is a kind of model that fptq does not run.";
  if (name === "CapabilityError") return "This browser cannot do that.";
  if (name === "RecipeError") return "This model cannot be quantized this way.";
  if (name === "OptionError" && message.startsWith("prompt"))
    return "The conversation no longer fits into the model's context. Begin a new one.";
  if (name === "OptionError") return "One of the settings has a value that is not possible.";
  if (name === "NumericError") return "The model's numbers ran out of range.";
  return "Something went wrong.";
}
