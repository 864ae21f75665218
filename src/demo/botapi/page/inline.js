// Inline mode: what is typed behind the bot's name, what it offers, and what is picked.

/** So long nothing more has to be typed before the bot is asked. */
const INLINE_PAUSE_MS = 300;
let inlineTimer = 0;
/** The query whose answer is wanted; an earlier one's is late. */
let inlineQuery = null;
/** An answer that overtook the reply to the question itself. */
let earlyOffers = null;

/** What stands behind the bot's name, else null. */
function inlineText(typed) {
  const match = /^@(\w+)\s(.*)$/s.exec(typed);
  const isOurs = match && match[1].toLowerCase() === bot.username.toLowerCase();
  return isOurs ? match[2].trim() : null;
}

function askInline(typed) {
  clearTimeout(inlineTimer);
  inlineQuery = null;
  earlyOffers = null;
  const text = inlineText(typed);
  if (text === null) return;
  inlineTimer = setTimeout(async () => {
    const response = await post("/chat/inline", { text });
    if (!response) return;
    const { query_id: id } = await response.json();
    if (inlineText(input.value) !== text) return;
    inlineQuery = id;
    if (earlyOffers) showOffers(earlyOffers);
  }, INLINE_PAUSE_MS);
}

function showOffers(answer) {
  if (answer.query_id !== inlineQuery) {
    earlyOffers = answer;
    return;
  }
  earlyOffers = null;
  const entry = ({ id, title, description }) => ({
    title,
    description,
    pick: () => post("/chat/pick", { query_id: answer.query_id, result_id: id }).then(scrollToEnd),
  });
  openMenu(answer.results.map(entry));
}
