//! A Bot API server on loopback that stands in for Telegram.
