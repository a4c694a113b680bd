/** What a generation begins with. */
import type { ChatMessage } from "../tokenizer/chat-template.ts";

/** What to continue: text, its token ids, or a conversation for the model's chat template. */
export type Prompt = string | readonly number[] | readonly ChatMessage[];
