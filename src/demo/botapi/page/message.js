// One message: its bubble, its attachments, its buttons.

/** Buttons that wait for an answer: "message id / data" by query id, and back. */
const waitingQueries = new Map();
/** Answers that overtook the reply to the press itself. */
const earlyAnswers = new Set();
/** After so long a button stops turning, answered or not. */
const SPINNER_MS = 20_000;

function messageNode(message, previous) {
  const own = !message.from.is_bot;
  const node = make("li", "message", { "data-id": message.message_id });
  node.classList.toggle("own", own);
  const close = previous && message.date - previous.date < 300;
  node.classList.toggle("follows", Boolean(close && previous.from.is_bot === message.from.is_bot));
  const bubble = make("div", "bubble");
  if (message.via_bot) bubble.append(make("div", "pinned-label", {}, `via @${message.via_bot.username}`));
  if (message.reply_to_message) bubble.append(quoteNode(message.reply_to_message));
  if (message.photo) bubble.append(photoNode(message));
  if (message.document) bubble.append(fileNode(message.document));
  const text = message.text ?? message.caption;
  if (text) {
    const body = make("div", "text", { dir: "auto" });
    appendRich(body, text, message.entities ?? message.caption_entities ?? []);
    bubble.append(body);
  }
  bubble.append(metaNode(message));
  node.append(make("span", "visually-hidden", {}, own ? "You: " : `${botName()}: `), bubble);
  if (message.reactions.length) node.append(reactionsNode(message));
  if (message.reply_markup) node.append(rowsNode(message));
  return node;
}

function quoteNode(replied) {
  const name = replied.from.is_bot ? botName() : "You";
  const label = make("span", "pinned-label", {}, name);
  const node = make("button", "quote", { type: "button" }, label, make("span", "excerpt", {}, excerpt(replied)));
  node.addEventListener("click", () => showMessage(replied.message_id));
  return node;
}

function photoNode(message) {
  const photo = message.photo[message.photo.length - 1];
  const src = `/chat/file/${encodeURIComponent(photo.file_id)}`;
  const alt = message.caption ? `Photo: ${excerpt(message)}` : "Photo";
  const image = make("img", "", { src, alt, width: photo.width, height: photo.height });
  return make("a", "photo", { href: src, target: "_blank", rel: "noopener" }, image);
}

function fileNode(file) {
  const href = `/chat/file/${encodeURIComponent(file.file_id)}`;
  const name = make("strong", "", {}, file.file_name ?? "File");
  const size = make("small", "", {}, sizeText(file.file_size ?? 0));
  return make("a", "file", { href, download: file.file_name ?? "" }, icon("file"), make("span", "", {}, name, size));
}

function metaNode(message) {
  const date = new Date(message.date * 1000);
  const time = make("time", "", { datetime: date.toISOString() }, timeFormat.format(date));
  const meta = make("div", "meta");
  if (message.silent) meta.append(icon("bell", "sent without a sound"));
  if (message.edit_date) meta.append(make("span", "edited", {}, "edited"));
  meta.append(time);
  return meta;
}

function reactionsNode(message) {
  const node = make("div", "reactions");
  for (const emoji of message.reactions) {
    node.append(make("span", "", { role: "img", "aria-label": `${botName()} reacted with ${emoji}` }, emoji));
  }
  return node;
}

function rowsNode(message) {
  const rows = make("div", "rows");
  for (const buttons of message.reply_markup.inline_keyboard) {
    rows.append(make("div", "row", {}, ...buttons.map((button) => inlineButton(message, button))));
  }
  return rows;
}

function inlineButton(message, button) {
  if (button.url) {
    const node = outsideLink(button.url, "press");
    node.append(button.text, icon("link"));
    return node;
  }
  const node = make("button", "press", { type: "button" }, button.text);
  if (button.copy_text) {
    node.append(icon("copy"));
    node.addEventListener("click", () => copy(button.copy_text.text));
  } else if (button.callback_data) {
    const key = `${message.message_id} ${button.callback_data}`;
    node.dataset.key = key;
    if ([...waitingQueries.values()].includes(key)) node.setAttribute("aria-busy", "true");
    node.addEventListener("click", () => press(message.message_id, button.callback_data, key));
  } else {
    node.addEventListener("click", () => toast("This kind of button works in Telegram only."));
  }
  return node;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied");
  } catch {
    toast(`Could not copy: ${text}`);
  }
}

async function press(messageId, data, key) {
  if ([...waitingQueries.values()].includes(key)) return;
  setBusy(key, true);
  const response = await post("/chat/press", { message_id: messageId, data });
  if (!response) {
    setBusy(key, false);
    return;
  }
  const { query_id: id } = await response.json();
  if (earlyAnswers.delete(id)) {
    setBusy(key, false);
    return;
  }
  waitingQueries.set(id, key);
  setTimeout(() => settle(id), SPINNER_MS);
}

function setBusy(key, busy) {
  for (const node of document.querySelectorAll("[data-key]")) {
    if (node.dataset.key === key) node.setAttribute("aria-busy", String(busy));
  }
}

/** The spinner of an answered query stops. */
function settle(id) {
  const key = waitingQueries.get(id);
  if (key === undefined) return false;
  waitingQueries.delete(id);
  setBusy(key, false);
  return true;
}

function showAnswer(answer) {
  if (!settle(answer.id)) earlyAnswers.add(answer.id);
  if (answer.url && safeUrl(answer.url)) window.open(answer.url, "_blank", "noopener");
  if (!answer.text) return;
  if (answer.alert) {
    byId("alert-text").textContent = answer.text;
    byId("alert").showModal();
  } else {
    toast(answer.text);
  }
}
