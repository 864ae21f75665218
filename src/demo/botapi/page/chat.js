// The conversation: events in, messages shown, the place kept.

const messages = new Map();
/** The shown node of each message. */
const shownNodes = new Map();
let bot = { first_name: "Windowsill", username: "" };
let pinnedIds = [];
let actionTimer = 0;
let toastTimer = 0;
let unread = 0;
/** The first message that came while nobody looked. */
let firstUnread = null;

const scroller = byId("scroll");
const list = byId("messages");
const botName = () => bot.first_name;
const inOrder = () => [...messages.values()].sort((one, other) => one.message_id - other.message_id);

/** Close enough to the end that new messages should keep us there. */
const atEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;

function scrollToEnd() {
  scroller.scrollTop = scroller.scrollHeight;
  seen();
}

function seen() {
  unread = 0;
  showUnread();
}

function showUnread() {
  byId("unread").hidden = unread === 0;
  byId("unread").textContent = unread;
  byId("to-end").hidden = atEnd();
  document.title = unread ? `(${unread}) ${botName()}` : botName();
}

/** Shows all messages; only the node of the changed one is built, all without one. */
function render(changedId, isNew) {
  const stay = !atEnd();
  const scrolledTo = scroller.scrollTop;
  if (changedId === undefined) shownNodes.clear();
  else shownNodes.delete(changedId);
  const sorted = inOrder();
  const nodes = [];
  let previous = null;
  for (const message of sorted) {
    if (!previous || dayOf(previous.date) !== dayOf(message.date)) {
      nodes.push(make("li", "day", { "aria-hidden": "true" }, dayOf(message.date)));
      previous = null;
    }
    if (message.message_id === firstUnread) nodes.push(make("li", "news", {}, "New messages"));
    const node = shownNodes.get(message.message_id) ?? messageNode(message, previous);
    shownNodes.set(message.message_id, node);
    if (isNew && message.message_id === changedId) node.classList.add("fresh");
    nodes.push(node);
    previous = message;
  }
  place(nodes);
  byId("welcome").hidden = sorted.length > 0;
  showKeyboard(sorted);
  showPinned();
  scroller.scrollTop = stay ? scrolledTo : scroller.scrollHeight;
  showUnread();
}

/** Puts the nodes in order without touching those already in place, so focus stays. */
function place(nodes) {
  const wanted = new Set(nodes);
  for (const node of [...list.children]) {
    if (!wanted.has(node)) node.remove();
  }
  nodes.forEach((node, index) => {
    if (list.children[index] !== node) list.insertBefore(node, list.children[index] ?? null);
  });
}

function showPinned() {
  const newest = pinnedIds.findLast((id) => messages.has(id));
  byId("pinned").hidden = newest === undefined;
  if (newest === undefined) return;
  byId("pinned").dataset.id = newest;
  byId("pinned-text").textContent = excerpt(messages.get(newest));
}

function showMessage(id) {
  const node = shownNodes.get(id);
  if (!node) return;
  node.scrollIntoView({ block: "center", behavior: "smooth" });
  node.classList.remove("aim");
  requestAnimationFrame(() => node.classList.add("aim"));
}

function toast(text) {
  const node = byId("toast");
  node.textContent = text;
  node.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { node.hidden = true; }, 2500 + 40 * text.length);
}

const ACTIONS = { typing: "typing…", upload_photo: "drawing a picture…", upload_document: "sending a file…" };

function showAction(action) {
  const status = byId("status");
  clearTimeout(actionTimer);
  status.textContent = action ? (ACTIONS[action] ?? "busy…") : "bot";
  status.classList.toggle("busy", Boolean(action));
  // An action fades by itself, as in Telegram.
  if (action) actionTimer = setTimeout(() => showAction(null), 5000);
}

// Events -------------------------------------------------------------------

const HANDLERS = {
  everything(event) {
    bot = event.bot;
    byId("bot-name").textContent = botName();
    messages.clear();
    for (const message of event.messages) messages.set(message.message_id, message);
    pinnedIds = event.pinned;
    setCommands(event.commands);
    showAction(null);
    render();
  },
  message({ message }) {
    const isNew = !messages.has(message.message_id);
    messages.set(message.message_id, message);
    if (isNew && message.from.is_bot) {
      showAction(null);
      noteArrival(message);
    }
    render(message.message_id, isNew);
  },
  deleted({ message_id: id }) {
    messages.delete(id);
    render(id);
  },
  pinned({ message_ids: ids }) {
    pinnedIds = ids;
    showPinned();
  },
  commands({ commands: list }) {
    setCommands(list);
  },
  action({ action }) {
    showAction(action);
  },
  answered({ answer }) {
    showAnswer(answer);
  },
  offered({ answer }) {
    showOffers(answer);
  },
};

/** A silent message does not count as unread: it makes no noise here either. */
function noteArrival(message) {
  if (atEnd() && !document.hidden) return;
  if (unread === 0 && !message.silent) firstUnread = message.message_id;
  if (!message.silent) unread += 1;
}

function connect() {
  const events = new EventSource("/chat/events");
  events.addEventListener("open", () => {
    byId("offline").hidden = true;
    showAction(null);
  });
  events.addEventListener("message", (event) => {
    const data = JSON.parse(event.data);
    HANDLERS[data.kind]?.(data);
  });
  events.addEventListener("error", () => {
    byId("offline").hidden = false;
    showAction(null);
    byId("status").textContent = "connecting…";
    // A refusal ends an EventSource for good; a lost connection it mends itself.
    if (events.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
  });
}

scroller.addEventListener("scroll", () => {
  if (atEnd() && !document.hidden) seen();
  else showUnread();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && atEnd()) seen();
});
// Pictures and the on-screen keyboard change heights after the fact.
new ResizeObserver(() => {
  if (unread === 0 && scroller.dataset.end !== "no") scroller.scrollTop = scroller.scrollHeight;
}).observe(scroller);
scroller.addEventListener("scroll", () => { scroller.dataset.end = atEnd() ? "yes" : "no"; });
scroller.addEventListener("load", (event) => {
  if (event.target.tagName === "IMG" && scroller.dataset.end !== "no") scroller.scrollTop = scroller.scrollHeight;
}, true);
byId("to-end").addEventListener("click", scrollToEnd);
byId("pinned").addEventListener("click", () => showMessage(Number(byId("pinned").dataset.id)));
byId("start").addEventListener("click", () => sendText("/start"));
focusInput();
connect();
