/** POST a JSON array of messages; the answer comes as plain text while it is generated. */
import { FptqError } from "fptq";
import { getModel } from "../../../model.js";

const MOST_CHARACTERS = 64 * 1024;

export async function POST(request) {
  const text = await request.text();
  if (text.length > MOST_CHARACTERS) return new Response("the conversation is too long", { status: 413 });
  try {
    const model = await getModel();
    // Ends when the client goes away.
    const answer = model.generate(JSON.parse(text), { maxTokens: 256, signal: request.signal });
    return new Response(ReadableStream.from(answer).pipeThrough(new TextEncoderStream()), {
      headers: { "Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store" },
    });
  } catch (error) {
    if (error instanceof FptqError || error instanceof SyntaxError) return new Response(error.message, { status: 400 });
    throw error;
  }
}
