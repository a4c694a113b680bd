"use client";
import { useRef, useState } from "react";

export default function Page() {
  const [messages, setMessages] = useState([]);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const stopping = useRef();

  async function ask(event) {
    event.preventDefault();
    const form = event.currentTarget;
    const asked = [...messages, { role: "user", content: form.elements.question.value }];
    const show = (content) => setMessages([...asked, { role: "assistant", content }]);
    form.elements.question.value = "";
    setBusy(true);
    setError("");
    stopping.current = new AbortController();
    let content = "";
    show(content);
    try {
      const response = await fetch("/api/chat", { method: "POST", body: JSON.stringify(asked), signal: stopping.current.signal });
      if (!response.ok) throw new Error(await response.text());
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) show((content += part.value));
    } catch (failure) {
      if (!stopping.current.signal.aborted) setError(failure.message);
    }
    setBusy(false);
  }

  return (
    <main>
      <h1>fptq in Next.js</h1>
      {messages.map(({ role, content }, i) => (
        <p key={i} className={role}>
          {content}
        </p>
      ))}
      <form onSubmit={ask}>
        <input name="question" aria-label="Question" defaultValue="Why is the sky blue?" required />
        <button disabled={busy}>Ask</button>
        <button type="button" disabled={!busy} onClick={() => stopping.current.abort()}>
          Stop
        </button>
      </form>
      <p role="status">{error}</p>
    </main>
  );
}
