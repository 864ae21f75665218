// Below the conversation: the input, the command menu, reply keyboards, forced replies.

let commands = [];
/** The message the next text replies to. */
let replyTo = null;
/** A forced reply the person has waved away. */
let declinedReply = null;
let selected = -1;

const input = byId("input");
const menuList = byId("menu");

/** Focus brings up the keyboard of a touch screen, so there it waits for a tap. */
function focusInput() {
  if (matchMedia("(hover: hover)").matches) input.focus({ preventScroll: true });
}

/** Posts JSON; null, with a notice, when it did not arrive. */
async function post(path, body) {
  try {
    const headers = { "Content-Type": "application/json" };
    const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
    if (response.ok) return response;
    toast(`Not sent: ${await response.text()}`);
  } catch {
    toast("Not sent: there is no connection.");
  }
  return null;
}

async function sendText(text) {
  const response = await post("/chat/send", { text, reply_to: replyTo?.message_id });
  if (response) {
    setReply(null);
    scrollToEnd();
  }
  return Boolean(response);
}

async function submit() {
  const text = input.value.trim();
  if (!text) return;
  input.value = "";
  fitInput();
  closeMenu();
  if (!(await sendText(text)) && !input.value) {
    input.value = text;
    fitInput();
  }
}

function fitInput() {
  input.style.height = "auto";
  input.style.height = `${input.scrollHeight + 2}px`;
}

function setReply(message) {
  replyTo = message;
  byId("replying").hidden = !message;
  byId("replying-text").textContent = message ? excerpt(message) : "";
}

// The menu -----------------------------------------------------------------

function openMenu(shown) {
  menuList.replaceChildren(...shown.map(menuItem));
  menuList.hidden = shown.length === 0;
  byId("menu-button").setAttribute("aria-expanded", String(shown.length > 0));
  select(-1);
}

function closeMenu() {
  openMenu([]);
}

/** A command of the bot, or with a `pick` something that it offers. */
function menuItem(entry, index) {
  const name = make("b", "", {}, entry.title ?? `/${entry.command}`);
  const item = make("li", "", { role: "option", id: `option-${index}`, "aria-selected": "false" });
  item.append(name, make("span", "", {}, entry.description));
  if (!entry.pick) item.dataset.command = `/${entry.command}`;
  item.pick = entry.pick ?? (() => sendText(item.dataset.command));
  item.addEventListener("click", () => choose(item));
  return item;
}

function choose(item) {
  closeMenu();
  input.value = "";
  fitInput();
  item.pick();
  focusInput();
}

function select(index) {
  const items = [...menuList.children];
  selected = items.length ? Math.min(index, items.length - 1) : -1;
  items.forEach((item, at) => item.setAttribute("aria-selected", String(at === selected)));
  if (selected >= 0) {
    input.setAttribute("aria-activedescendant", items[selected].id);
    items[selected].scrollIntoView({ block: "nearest" });
  } else {
    input.removeAttribute("aria-activedescendant");
  }
}

/** Commands that begin as what is being typed. */
function suggest() {
  const typed = input.value;
  const fits = (command) => `/${command.command}`.startsWith(typed.toLowerCase());
  openMenu(/^\/\w*$/.test(typed) ? commands.filter(fits) : []);
  askInline(typed);
}

/** A key for the open menu; false when it is none. */
function menuKey(event) {
  const items = [...menuList.children];
  if (!items.length) return false;
  if (event.key === "ArrowDown") select((selected + 1) % items.length);
  else if (event.key === "ArrowUp") select((selected <= 0 ? items.length : selected) - 1);
  else if (event.key === "Escape") closeMenu();
  else if (event.key === "Tab" && !event.shiftKey && input.value.startsWith("/")) {
    input.value = `${items[Math.max(selected, 0)].dataset.command} `;
    closeMenu();
  } else if (event.key === "Enter" && selected >= 0) choose(items[selected]);
  else return false;
  return true;
}

input.addEventListener("input", () => {
  fitInput();
  suggest();
});
input.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (menuKey(event)) {
    event.preventDefault();
  } else if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    submit();
  }
});
byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
byId("menu-button").addEventListener("click", () => {
  if (menuList.hidden) {
    openMenu(commands);
    focusInput();
  } else {
    closeMenu();
  }
});
byId("not-replying").addEventListener("click", () => {
  declinedReply = replyTo?.message_id;
  setReply(null);
  input.placeholder = "Message";
  focusInput();
});

function setCommands(list) {
  commands = list;
  byId("menu-button").hidden = list.length === 0;
  if (!menuList.hidden) suggest();
}

// Reply keyboards ------------------------------------------------------------

/** Shows the keyboard the newest markup asks for; `messages` are the oldest first. */
function showKeyboard(messages) {
  const index = messages.findLastIndex((message) => message.keyboard);
  const markup = messages[index]?.keyboard ?? {};
  const answered = messages.slice(index + 1).some((message) => !message.from.is_bot);
  const rows = markup.keyboard && !(markup.one_time_keyboard && answered) ? markup.keyboard : [];
  const holder = byId("keyboard");
  holder.replaceChildren(...rows.map((row) => make("div", "row", {}, ...row.map(answerButton))));
  holder.hidden = rows.length === 0;
  const forced = markup.force_reply && !answered && messages[index].message_id !== declinedReply;
  if (forced && replyTo?.message_id !== messages[index].message_id) {
    setReply(messages[index]);
    focusInput();
  } else if (!forced && replyTo) {
    setReply(null);
  }
  input.placeholder = ((forced || rows.length) && markup.input_field_placeholder) || "Message";
}

function answerButton(button) {
  const node = make("button", "press", { type: "button" }, button.text);
  node.addEventListener("click", () => sendText(button.text));
  return node;
}
