"""Writes families.json: templates in the manner of 25 families of models, over conversations of every kind.

The templates in families/ are written for this test with what published ones of their families are made of.
pip install transformers==5.24.0 jinja2==3.1.6; python families.py
"""
import json
import os

from transformers.utils import chat_template_utils

HERE = os.path.dirname(os.path.abspath(__file__))
WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "Gets the weather <b>&'now'\" é 日本.",
    "parameters": {"type": "object", "properties": {
        "city": {"type": "string", "description": "A city", "enum": ["Paris", "Łódź"], "default": "Paris"},
        "days": {"type": "integer", "default": 3},
        "parts": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}}}, "required": ["city"]},
    "return": {"type": "string"}}}
ADD = {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {
    "type": "object", "properties": {"x": {"type": "number"}, "y": {"type": "number"}}, "required": ["x", "y"]}}}
CALL = {"id": "call12345", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Łódź", "days": 2, "exact": True, "note": None, "f": 1.5, "l": [1, "a"]}}}
CALL_ADD = {"id": "call67890", "type": "function", "function": {"name": "add", "arguments": {"x": 1, "y": -2}}}
CALL_TEXT = {"id": "call12346", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\": \"Łódź\", \"days\": 2}"}}
NOW = {"type": "function", "function": {"name": "now", "description": "The time\nof day.", "parameters": {"type": "object", "properties": {}}}}
SYSTEM = {"role": "system", "content": "Be brief & honest.\n"}
USER = {"role": "user", "content": "What's the weather, \"now\"?\n"}
ANSWER = {"role": "assistant", "content": "It is <sunny>."}
CONVERSATIONS = {
    "user": {"messages": [USER]},
    "system": {"messages": [SYSTEM, USER]},
    "several turns": {"messages": [SYSTEM, USER, ANSWER, {"role": "user", "content": "  And tomorrow? "}]},
    "no generation prompt": {"messages": [USER, ANSWER], "add_generation_prompt": False},
    "tools": {"messages": [SYSTEM, USER], "tools": [WEATHER, ADD]},
    "tools without system": {"messages": [USER], "tools": [WEATHER]},
    "call and result": {"messages": [USER, {"role": "assistant", "content": "", "tool_calls": [CALL]}, {"role": "tool", "content": "{\"t\": 21}", "name": "get_weather", "tool_call_id": "call12345"}], "tools": [WEATHER]},
    "calls and results": {"messages": [SYSTEM, USER, {"role": "assistant", "content": "Let me see.", "tool_calls": [CALL, CALL_ADD]}, {"role": "tool", "content": "21", "name": "get_weather", "tool_call_id": "call12345"},
                                       {"role": "tool", "content": "-1", "name": "add", "tool_call_id": "call67890"}, ANSWER, USER], "tools": [WEATHER, ADD]},
    "call without content": {"messages": [USER, {"role": "assistant", "content": None, "tool_calls": [CALL_ADD]}, {"role": "tool", "content": "-1", "name": "add", "tool_call_id": "call67890"}], "tools": [ADD]},
    "developer": {"messages": [{"role": "developer", "content": "Use metric."}, USER]},
    "parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "Look: "}, {"type": "image"}, {"type": "text", "text": "what?"}]}]},
    "empty": {"messages": [{"role": "system", "content": ""}, {"role": "user", "content": ""}]},
    "without thinking": {"messages": [USER], "variables": {"enable_thinking": False}},
    "with thinking": {"messages": [SYSTEM, USER, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nYes."}, USER, {"role": "assistant", "content": "No.", "reasoning_content": "\nso\n"}], "variables": {"enable_thinking": True, "reasoning_effort": "high"}},
    "reasoning": {"messages": [USER, {"role": "assistant", "content": "Yes.", "reasoning": "because"}], "add_generation_prompt": False},
    "arguments as text": {"messages": [USER, {"role": "assistant", "content": "", "tool_calls": [CALL_TEXT]}, {"role": "tool", "content": [{"type": "text", "text": "21"}], "name": "get_weather", "tool_call_id": "call12346"}], "tools": [WEATHER]},
    "call without the key content": {"messages": [USER, {"role": "assistant", "tool_calls": [CALL_ADD]}, {"role": "tool", "content": {"r": [1, 2.5, "x", None, True]}, "name": "add", "tool_call_id": "call67890"}], "tools": [ADD, NOW]},
    "call without tools": {"messages": [USER, {"role": "assistant", "content": "", "tool_calls": [CALL_ADD]}, {"role": "tool", "content": "-1"}]},
    "letters": {"messages": [{"role": "user", "content": "na\u00efve \u65e5\u672c \U0001f916\u200d\u00a0\u2028\u0085\ufeff x\r\n\ty\u200b"}, {"role": "assistant", "content": "\n\n\u3000\u00e9\n"}, {"role": "user", "content": "\u00df \u0130 \ufb01 \u001c end\u001f"}]},
    "special tokens in the text": {"messages": [SYSTEM, {"role": "user", "content": "<|im_start|>system\nx<|im_end|> <s>[INST] </s> <end_of_turn> {{ bos_token }} {% raw %} /no_think <think>a</think>"}, {"role": "assistant", "content": "<tool_call>{}</tool_call> ok"}, {"role": "user", "content": "[gMASK]<sop><|user|>"}]},
    "prefilled answer": {"messages": [SYSTEM, USER, {"role": "assistant", "content": "It is"}], "add_generation_prompt": False},
    "two users": {"messages": [USER, USER]},
    "documents": {"messages": [USER], "variables": {"documents": [{"title": "T", "text": "Body", "doc_id": 1}, {"title": "\u00dc", "text": "x\ny"}], "custom_tools": [ADD], "tools_in_user_message": False}},
}
texts = {}
for file in sorted(os.listdir(os.path.join(HERE, "families"))):
    with open(os.path.join(HERE, "families", file), encoding="utf-8", newline="") as source:
        template = source.read()
    texts[file] = {}
    for name, given in CONVERSATIONS.items():
        try:
            rendered, _ = chat_template_utils.render_jinja_template(
                [json.loads(json.dumps(given["messages"]))], tools=given.get("tools"), chat_template=template,
                add_generation_prompt=given.get("add_generation_prompt", True), bos_token="<s>", eos_token="</s>", **given.get("variables", {}))
            texts[file][name] = rendered[0]
        except Exception as error:
            texts[file][name] = None
            print(file, name, error)
with open(os.path.join(HERE, "families.json"), "w", encoding="utf-8") as file:
    json.dump({"conversations": CONVERSATIONS, "texts": texts}, file, ensure_ascii=False)
