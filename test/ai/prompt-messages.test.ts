import type { LanguageModelV4Message } from "@ai-sdk/provider";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { conversationOf } from "../../src/ai/prompt-messages.ts";
import { OptionError } from "../../src/errors.ts";

const test = suite("prompts of the AI SDK");

test("each role becomes what chat templates take", () => {
  const call = { type: "tool-call", toolCallId: "c1", toolName: "weather", input: { city: "Bern" } } as const;
  const result = (output: object) => ({ type: "tool-result", toolCallId: "c1", toolName: "weather", output }) as never;
  const { messages, begun } = conversationOf([
    { role: "system", content: "be short" },
    {
      role: "user",
      content: [
        { type: "text", text: "how " },
        { type: "text", text: "warm?" },
      ],
    },
    { role: "assistant", content: [{ type: "reasoning", text: "look" }, { type: "text", text: "I look." }, call] },
    { role: "tool", content: [result({ type: "json", value: { celsius: 21 } }), result({ type: "execution-denied" })] },
  ]);
  assert.is(begun, "");
  const answered = (content: string) => ({ role: "tool", tool_call_id: "c1", name: "weather", content });
  assert.equal(messages, [
    { role: "system", content: "be short" },
    { role: "user", content: "how warm?" },
    {
      role: "assistant",
      content: "I look.",
      reasoning_content: "look",
      tool_calls: [{ id: "c1", type: "function", function: { name: "weather", arguments: { city: "Bern" } } }],
    },
    answered('{"celsius":21}'),
    answered("Tool execution denied."),
  ]);
});

test("an assistant's message at the end is gone on with, unless it calls", () => {
  const user: LanguageModelV4Message = { role: "user", content: [{ type: "text", text: "hello" }] };
  const { messages, begun } = conversationOf([user, { role: "assistant", content: [{ type: "text", text: "Well," }] }]);
  assert.equal([messages.length, begun], [1, "Well,"]);
  const call = { type: "tool-call", toolCallId: "c1", toolName: "f", input: {} } as const;
  assert.is(conversationOf([user, { role: "assistant", content: [call] }]).messages.length, 2);
});

test("what is no text is refused, and where it is", () => {
  const file = { type: "file", mediaType: "image/png", data: { type: "data", data: new Uint8Array(4) } } as const;
  const text = { type: "file", mediaType: "text/plain", data: { type: "text", text: "a file" } } as const;
  assert.is(conversationOf([{ role: "user", content: [text] }]).messages[0]!.content, "a file");
  assert.throws(
    () =>
      conversationOf([
        { role: "system", content: "" },
        { role: "user", content: [file] },
      ]),
    (error: unknown) => error instanceof OptionError && error.message.startsWith('prompt.1: got a part of type "file"'),
  );
});

test.run();
