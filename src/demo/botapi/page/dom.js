// Building blocks: elements, entities, times. Foreign text only ever becomes text nodes.
"use strict";

const byId = (id) => document.getElementById(id);

/** An element with a class, attributes and children; strings become text. */
function make(tag, className, attributes = {}, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const ICONS = {
  bell: "M6 17h12l-1.500-2v-4a4.500 4.500 0 0 0-9 0v4zM10.500 20.500h3M4 4l16 16",
  copy: "M9 9h10v10H9zM5 15V5h10",
  file: "M7 3h7l4 4v14H7zM14 3v4h4",
  link: "M8 16L18 6M10 6h8v8",
};

function icon(name, label) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  if (label) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  } else {
    svg.setAttribute("aria-hidden", "true");
  }
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** The address if it may be followed, else null. */
function safeUrl(address) {
  try {
    const url = new URL(address);
    return ["http:", "https:", "mailto:", "tel:", "tg:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** The text a deep link to this very bot stands for, else null. */
function deepLinkText(href) {
  const url = new URL(href);
  const start = url.searchParams.get("start");
  const isOurs = url.hostname === "t.me" && url.pathname.toLowerCase() === `/${bot.username.toLowerCase()}`;
  return isOurs && start ? `/start ${start}` : null;
}

/** A link out of the chat; a deep link to this bot is followed in here instead. */
function outsideLink(address, className) {
  const href = safeUrl(address);
  if (!href) return make("span", className);
  const text = deepLinkText(href);
  if (text) {
    const node = make("button", className || "command link", { type: "button" });
    node.addEventListener("click", () => sendText(text));
    return node;
  }
  return make("a", className, { href, target: "_blank", rel: "noopener noreferrer" });
}

/** Appends text[from..to] with its entities, which are sorted and nested. */
function appendRich(parent, text, entities, from = 0, to = text.length) {
  let position = from;
  for (let index = 0; index < entities.length; index += 1) {
    const entity = entities[index];
    const end = entity.offset + entity.length;
    if (entity.offset < position || end > to) continue;
    parent.append(text.slice(position, entity.offset));
    const inner = entities.slice(index + 1).filter((other) => other.offset + other.length <= end);
    const [outer, holder] = entityNode(entity, text.slice(entity.offset, end));
    appendRich(holder, text, inner, entity.offset, end);
    parent.append(outer);
    // A block ends its line by itself.
    const isBlock = ["PRE", "BLOCKQUOTE"].includes(outer.tagName);
    position = isBlock && text[end] === "\n" ? end + 1 : end;
  }
  parent.append(text.slice(position, to));
}

const PLAIN_TAGS = { bold: "strong", italic: "em", underline: "u", strikethrough: "s", code: "code" };

/** The node of an entity, and the node its content goes into. */
function entityNode(entity, text) {
  if (entity.type in PLAIN_TAGS) {
    const node = make(PLAIN_TAGS[entity.type]);
    return [node, node];
  }
  let node = make("span");
  if (entity.type === "pre") node = make("pre", "", { tabindex: "0" });
  if (entity.type === "text_link") node = outsideLink(entity.url);
  if (entity.type === "url") node = outsideLink(text);
  if (entity.type === "blockquote") node = make("blockquote");
  if (entity.type === "expandable_blockquote") node = foldedQuote();
  if (entity.type === "spoiler") return spoiler();
  if (entity.type === "bot_command") {
    node = make("button", "command", { type: "button" });
    node.addEventListener("click", () => sendText(text));
  }
  return [node, node];
}

function foldedQuote() {
  const node = make("blockquote", "folded", { tabindex: "0", role: "button", "aria-expanded": "false" });
  const toggle = () => {
    const folded = node.classList.toggle("folded");
    node.setAttribute("aria-expanded", String(!folded));
  };
  node.addEventListener("click", toggle);
  node.addEventListener("keydown", (event) => {
    if (event.key === "Enter") toggle();
  });
  return node;
}

function spoiler() {
  const content = make("span");
  const node = make("button", "spoiler", { type: "button", "aria-expanded": "false", "aria-label": "Hidden text" }, content);
  node.addEventListener("click", () => {
    node.setAttribute("aria-expanded", "true");
    node.removeAttribute("aria-label");
  });
  return [node, content];
}

const timeFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const dayFormat = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

function dayOf(seconds) {
  const day = new Date(seconds * 1000);
  return day.toDateString() === new Date().toDateString() ? "Today" : dayFormat.format(day);
}

function sizeText(bytes) {
  if (bytes < 1024) return `${bytes} bytes`;
  const kilobytes = bytes / 1024;
  return kilobytes < 1024 ? `${kilobytes.toFixed(0)} KB` : `${(kilobytes / 1024).toFixed(1)} MB`;
}

/** The first line of a message, as bars and quotes show it. */
function excerpt(message) {
  const text = message.text ?? message.caption;
  if (text) return text.split("\n")[0];
  return message.photo ? "Photo" : (message.document?.file_name ?? "Message");
}
