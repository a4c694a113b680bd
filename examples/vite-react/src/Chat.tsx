import { type FormEvent, useState } from "react";
import { useFptq } from "./useFptq.ts";

export function Chat() {
  const { ready, busy, progress, speed, error, messages, ask, stop } = useFptq(import.meta.env.BASE_URL);
  const [text, setText] = useState("Why is the sky blue?");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    ask(text);
    setText("");
  };
  return (
    <main>
      <h1>fptq in React</h1>
      {messages.map(({ role, content }, i) => (
        <p key={i} className={role}>
          {content}
        </p>
      ))}
      <form onSubmit={submit}>
        <input aria-label="Question" value={text} onChange={({ target }) => setText(target.value)} required />
        <button disabled={!ready || busy}>Ask</button>
        <button type="button" disabled={!busy} onClick={stop}>
          Stop
        </button>
      </form>
      {!ready && error === undefined && <progress value={progress} />}
      <p role="status">{error ?? (speed ? `${speed.toFixed(0)} tokens a second` : ready ? "Ready" : "Loading")}</p>
    </main>
  );
}
