"""A small bot on the unmodified python-telegram-bot, to try a Bot API server with.

Usage: ptb_echo.py BASE_URL TOKEN [WEBHOOK_PORT SECRET]

With a port and a secret it listens for the webhook, otherwise it polls.
"""

import sys

from telegram import (
    BotCommand,
    BotCommandScopeAllPrivateChats,
    ForceReply,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    ReactionTypeEmoji,
)
from telegram.constants import ChatAction, ParseMode
from telegram.error import BadRequest
from telegram.ext import Application, CallbackQueryHandler, CommandHandler, MessageHandler, filters


async def start(update, context):
    commands = [BotCommand("start", "begin"), BotCommand("photo", "send a picture back")]
    await context.bot.set_my_commands(commands, scope=BotCommandScopeAllPrivateChats())
    buttons = [[InlineKeyboardButton("Press me", callback_data="pressed")]]
    await update.message.reply_html(
        f"Hello, <b>{update.effective_user.first_name}</b>",
        reply_markup=InlineKeyboardMarkup(buttons),
        do_quote=True,
    )


async def pressed(update, context):
    await update.callback_query.answer("got it")
    await update.callback_query.edit_message_text("You <i>pressed</i>", parse_mode=ParseMode.HTML)


async def photo(update, context):
    await context.bot.send_chat_action(update.effective_chat.id, ChatAction.UPLOAD_PHOTO)
    with open(context.args[0], "rb") as picture:
        sent = await update.message.reply_photo(picture, caption="a <u>picture</u>", parse_mode="HTML")
    file = await sent.photo[-1].get_file()
    content = await file.download_as_bytearray()
    await update.message.reply_document(bytes(content), filename="again.png")
    await update.message.reply_text(f"{len(content)} bytes came back")


async def broken(update, context):
    try:
        await update.message.reply_html("<b>never closed")
    except BadRequest as error:
        await update.message.reply_text(str(error))


async def ask(update, context):
    await update.message.reply_text("What is its name?", reply_markup=ForceReply(selective=True))


async def echo(update, context):
    await update.message.set_reaction(ReactionTypeEmoji("👍"))
    await update.message.reply_text(update.message.text[::-1])


async def note(update, context):
    print(f"the bot failed: {context.error}", file=sys.stderr)


def main():
    base, token = sys.argv[1:3]
    app = Application.builder().token(token)
    app = app.base_url(f"{base}/bot").base_file_url(f"{base}/file/bot").build()
    for name, handler in [("start", start), ("photo", photo), ("broken", broken), ("ask", ask)]:
        app.add_handler(CommandHandler(name, handler))
    app.add_error_handler(note)
    app.add_handler(CallbackQueryHandler(pressed))
    app.add_handler(MessageHandler(filters.TEXT & ~filters.COMMAND, echo))
    if len(sys.argv) == 3:
        app.run_polling(poll_interval=0, bootstrap_retries=0)
        return
    port, secret = sys.argv[3:5]
    app.run_webhook(
        listen="127.0.0.1",
        port=int(port),
        url_path="hook",
        webhook_url=f"http://127.0.0.1:{port}/hook",
        secret_token=secret,
        bootstrap_retries=0,
    )


if __name__ == "__main__":
    main()
