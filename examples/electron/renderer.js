/** The page: what a person says goes to the model, what comes back is shown. */
const find = (selector) => document.querySelector(selector);
const { question, ask, stop } = find("form").elements;
const [conversation, progress, status] = ["#conversation", "progress", "#status"].map(find);
const messages = [];

function show(role, content) {
  const line = conversation.appendChild(document.createElement("p"));
  line.className = role;
  line.textContent = content;
  messages.push({ role, content });
}

function setBusy(busy) {
  [ask.disabled, stop.disabled] = [busy, !busy];
}

const handlers = {
  progress: ({ progress: part }) => (progress.value = part),
  ready() {
    progress.hidden = true;
    status.textContent = "Ready";
    setBusy(false);
  },
  text({ text }) {
    messages.at(-1).content += text;
    conversation.lastElementChild.append(text);
  },
  answered({ speed }) {
    status.textContent = `${speed.toFixed(0)} tokens a second`;
    setBusy(false);
  },
  failed({ error }) {
    status.textContent = error;
    setBusy(false);
  },
};
window.fptq.onAnswer((answer) => handlers[answer.kind](answer));

find("form").addEventListener("submit", (event) => {
  event.preventDefault();
  show("user", question.value);
  window.fptq.ask(messages);
  show("assistant", "");
  question.value = "";
  setBusy(true);
});
stop.addEventListener("click", () => window.fptq.stop());
