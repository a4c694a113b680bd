/** Whether a model brings a template for conversations. One that does not continues text. */
import { type LanguageModel, UnsupportedModelError } from "fptq";

export function hasChatTemplate(model: LanguageModel): boolean {
  try {
    model.promptIds([{ role: "user", content: "" }]);
    return true;
  } catch (error) {
    if (error instanceof UnsupportedModelError) return false;
    throw error;
  }
}
