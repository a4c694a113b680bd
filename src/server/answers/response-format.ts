/** Answers of `/v1/responses`: one object, or the events that tell how it comes to be. */
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { ResponseRequest } from "../requests/response-request.ts";
import type { AnswerReading } from "../../decoding/tool-calls/answer-parsing.ts";
import { type Choice, type Format, now } from "./format.ts";
import { ResponseItems } from "./response-items.ts";
import { chatLogprobs } from "./token-texts.ts";
import { finishReason, tokenCounts } from "./usage.ts";

/**
 * @param model the name that answers carry
 * @param reading finds calls and thoughts in the text
 */
export function responseFormat(model: string, body: ResponseRequest, tokenizer: Tokenizer, reading: AnswerReading): Format {
  const fields = fieldsOf(model, body);
  const items = new ResponseItems(reading.callId);
  const parser = reading.parser();
  let events = 0;
  const numbered = (list: readonly object[]) => list.map((event) => Object.assign(event, { sequence_number: events++ }));
  const logprobs = (positions: Choice["result"]["logprobs"]) => positions && chatLogprobs(tokenizer, positions);
  const begun = { ...fields, status: "in_progress", output: [] };
  const close = ({ result }: Choice) => [
    ...items.push(parser.flush()),
    ...items.close(finishReason(result) === "stop" ? "completed" : "incomplete"),
  ];
  const ended = (choices: readonly (readonly Choice[])[]) => {
    const { cached, prompt, completion } = tokenCounts(choices);
    // Which of the tokens were thoughts is known of their text alone.
    const thoughts = items.reasoning === "" ? 0 : tokenizer.encode(items.reasoning, { addSpecialTokens: false }).length;
    const isWhole = finishReason(choices[0]![0]!.result) === "stop";
    return {
      ...fields,
      status: isWhole ? "completed" : "incomplete",
      incomplete_details: isWhole ? null : { reason: "max_output_tokens" },
      output: items.items,
      usage: {
        input_tokens: prompt,
        input_tokens_details: { cached_tokens: cached },
        output_tokens: completion,
        output_tokens_details: { reasoning_tokens: Math.min(thoughts, completion) },
        total_tokens: prompt + completion,
      },
    };
  };

  return {
    named: true,
    whole(choices) {
      const choice = choices[0]![0]!;
      items.push(parser.push(choice.result.text), logprobs(choice.result.logprobs));
      close(choice);
      return ended(choices);
    },
    begin: () =>
      numbered([
        { type: "response.created", response: begun },
        { type: "response.in_progress", response: begun },
      ]),
    piece: (_, text, positions) => numbered(items.push(parser.push(text), logprobs(positions))),
    end: (choice) => numbered(close(choice)),
    usage(choices) {
      const response = ended(choices);
      return numbered([{ type: `response.${response.status}`, response }])[0]!;
    },
    failed: ({ error: { code, message, param } }) => numbered([{ type: "error", code, message, param }])[0]!,
  };
}

/** What a response says of the request. */
function fieldsOf(model: string, body: ResponseRequest): object {
  return {
    id: `resp_${crypto.randomUUID()}`,
    object: "response",
    created_at: now(),
    model,
    error: null,
    incomplete_details: null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    metadata: body.metadata ?? {},
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: null,
    store: false,
    temperature: body.temperature ?? null,
    text: { format: body.text?.format ?? { type: "text" } },
    tool_choice: body.tool_choice ?? "auto",
    tools: body.tools ?? [],
    top_p: body.top_p ?? null,
    truncation: "disabled",
  };
}
