/** llama-server's endpoints about tokens and templates, and vLLM's `/tokenizer_info`, which lm-eval reads. */
import type { Context } from "hono";
import type { LanguageModel } from "../../decoding/language-model.ts";
import { conversationOf } from "../requests/chat-request.ts";
import { parseBody } from "../requests/parse.ts";
import { detokenizeSchema, templateSchema, tokenizeSchema } from "../requests/token-requests.ts";

export async function tokenize(c: Context, { tokenizer, forwardPass }: LanguageModel): Promise<Response> {
  const body = await parseBody(c, tokenizeSchema);
  // By llama-server's rule nothing is put around `content`, by vLLM's something around `prompt`.
  const addSpecialTokens = body.add_special ?? body.add_special_tokens ?? body.prompt !== undefined;
  const text = (body.content ?? body.prompt)!;
  const ids = tokenizer.encode(text, { addSpecialTokens, parseSpecial: body.parse_special ?? true });
  const decoder = new TextDecoder();
  const tokens = body.with_pieces ? ids.map((id) => ({ id, piece: decoder.decode(tokenizer.tokenBytes(id)) })) : ids;
  return c.json({ tokens, count: ids.length, max_model_len: forwardPass.contextSize });
}

export async function detokenize(c: Context, { tokenizer }: LanguageModel): Promise<Response> {
  const { tokens } = await parseBody(c, detokenizeSchema);
  const text = tokenizer.decode(tokens);
  return c.json({ content: text, prompt: text });
}

export async function applyTemplate(c: Context, model: LanguageModel): Promise<Response> {
  const { messages, tools, chat_template_kwargs: variables } = await parseBody(c, templateSchema);
  const { messages: shown, begun } = conversationOf({ messages });
  const options = { ...(tools?.length && { tools }), ...(variables && { templateVariables: variables }) };
  return c.json({ prompt: model.tokenizer.decode(model.promptIds(shown, options)) + begun });
}

export function tokenizerInfo(c: Context, { tokenizer, chatTemplate }: LanguageModel): Response {
  const text = (id: number | undefined) => (id === undefined ? null : (tokenizer.idToToken(id) ?? null));
  return c.json({
    bos_token: text(tokenizer.bosTokenId),
    eos_token: text(tokenizer.eosTokenId),
    pad_token: text(tokenizer.padTokenId),
    unk_token: text(tokenizer.unkTokenId),
    chat_template: chatTemplate ?? null,
  });
}
