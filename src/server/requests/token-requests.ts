/** Bodies of llama-server's endpoints about tokens and templates. */
import * as z from "zod";
import { chatSchema } from "./chat-request.ts";
import { tokenId } from "./sampling-fields.ts";

/** `content` is llama-server's name for the text, `prompt` vLLM's, which lm-eval sends. */
export const tokenizeSchema = z
  .object({
    content: z.string().optional(),
    prompt: z.string().optional(),
    add_special: z.boolean().nullish(),
    add_special_tokens: z.boolean().nullish(),
    parse_special: z.boolean().nullish(),
    with_pieces: z.boolean().nullish(),
  })
  .refine(({ content, prompt }) => (content === undefined) !== (prompt === undefined), "need either content or prompt");

export const detokenizeSchema = z.object({ tokens: z.array(tokenId) });

export const templateSchema = chatSchema.pick({ messages: true, tools: true, chat_template_kwargs: true });
