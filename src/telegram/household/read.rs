//! What the store knows for the household's answers.

use futures_util::future::BoxFuture;
use sqlx::SqliteConnection;

use super::alerts::{self, Overview, PAGE_SIZE, Shown};
use super::daily::{State, Wish};
use super::start::Door;
use super::status::PipelineFacts;
use super::{Ask, Household, Known, LettersPage, People, StatusFacts, invite};
use crate::clock;
use crate::kernel::paging::Page;
use crate::kernel::text::Text;
use crate::rooms;
use crate::rooms::turn::{Answers, Asker};
use crate::store::regular::{board, daily as store_daily};
use crate::store::{
    StoreError, access, alerts as store_alerts, cards, clock as store_clock, conversation,
    dead_letters, group, intake, invite as store_invite, outbox, parks, past, positions,
    standstill,
};
use crate::telegram::{code, regular};

/// The newest alerts that `/alerts` lists.
const ALERTS_SHOWN: i64 = 10;

impl Answers for Household {
    fn read<'a>(
        &'a self,
        ask: &'a Ask,
        asker: &'a Asker,
        db: &'a mut SqliteConnection,
    ) -> BoxFuture<'a, Result<Known, StoreError>> {
        Box::pin(async move {
            Ok(match ask {
                Ask::Alerts(wish) => Known::Alerts(overview(db, *wish, asker).await?),
                Ask::Daily(wish) => {
                    let wanted = store_daily::of(db, asker.place.chat_id).await?;
                    // It takes a forecast of many plants.
                    let text = match wish {
                        Wish::Show => regular::digest(db, asker.sight).await?,
                        Wish::At(_) | Wish::Off | Wish::Unclear(_) => Text::new(),
                    };
                    Known::Daily(Box::new(State { wanted, text }))
                }
                Ask::Board(_) => Known::Board(board::of(db, asker.place.chat_id).await?.is_some()),
                Ask::Card(tap) => {
                    let (chat_id, message_id) = (asker.place.chat_id, asker.message_id);
                    Known::Cards(cards::tapped(db, chat_id, message_id, tap).await?)
                }
                Ask::Status => Known::Status(Box::new(status(db, asker).await?)),
                Ask::DeadLetters(page) => Known::DeadLetters(LettersPage::read(db, *page).await?),
                Ask::Start(code) => Known::Start(Box::new(door(db, code.trim(), asker).await?)),
                Ask::Invite => Known::Code(new_code()),
                Ask::Members | Ask::Revoke(_) | Ask::Remove(_) => {
                    Known::People(Box::new(people(db).await?))
                }
                Ask::Presence(_) => {
                    Known::Resumable(access::resumable(db, asker.place.chat_id).await?)
                }
                Ask::StalePress(Some(version)) => {
                    Known::Holder(conversation::holder_of(db, asker.place.chat_id, *version).await?)
                }
                Ask::StalePress(None) => Known::Holder(None),
                Ask::Stranger => Known::Told(access::was_refused(db, asker.user_id).await?),
                Ask::Nameless => Known::Told(group::told_nameless(db, asker.place.chat_id).await?),
                _ => Known::Nothing,
            })
        })
    }
}

async fn overview(
    db: &mut SqliteConnection,
    wish: alerts::Wish,
    asker: &Asker,
) -> Result<Overview, StoreError> {
    let (lasting, silenced) = match wish {
        alerts::Wish::List { lasting, silenced } => (lasting, silenced),
        alerts::Wish::Here | alerts::Wish::Off | alerts::Wish::Unclear => (0, 0),
    };
    let newest = store_alerts::newest(db, ALERTS_SHOWN).await?;
    let places = access::subscriptions(db).await?;
    let total = cards::count(db).await?;
    let page = Page::of(lasting, total, PAGE_SIZE);
    let rows = cards::lasting(db, page.skipped(PAGE_SIZE), PAGE_SIZE).await?;
    let lasting = Shown { rows, total, page };
    let total = store_alerts::silenced(db).await?;
    let page = Page::of(silenced, total, PAGE_SIZE);
    let rows = store_alerts::silences(db, page.skipped(PAGE_SIZE), PAGE_SIZE).await?;
    let silences = Shown { rows, total, page };
    Ok(Overview { newest, lasting, silences, subscribed: places.contains(&asker.place) })
}

async fn door(db: &mut SqliteConnection, code: &str, asker: &Asker) -> Result<Door, StoreError> {
    let attempt = match code.starts_with(invite::PREFIX) {
        true => Some(store_invite::attempt(db, code, asker.user_id, clock::now_ms()).await?),
        false => None,
    };
    Ok(Door {
        claim: access::claim(db, asker.user_id).await?,
        attempt,
        refused_before: access::was_refused(db, asker.user_id).await?,
    })
}

fn new_code() -> Option<String> {
    match code::random(invite::CODE_CHARACTERS) {
        Ok(code) => Some(format!("{}{code}", invite::PREFIX)),
        Err(error) => {
            tracing::error!(%error, "the system gives no random numbers");
            None
        }
    }
}

async fn people(db: &mut SqliteConnection) -> Result<People, StoreError> {
    Ok(People {
        members: access::members(db).await?,
        groups: group::admitted(db).await?,
        places: access::subscriptions(db).await?,
        open_invites: store_invite::count(db, clock::now_ms()).await?,
    })
}

async fn status(db: &mut SqliteConnection, asker: &Asker) -> Result<StatusFacts, StoreError> {
    let rebuilds = past::progress(db).await?;
    let halted = standstill::all(db).await?;
    let mut pipelines = Vec::new();
    for (row, positions) in positions::overview(db).await? {
        let behind = asker.log_ends.as_ref().map(|ends| ends.behind(&positions));
        let rebuild = rebuilds.iter().find(|rebuild| rebuild.pipeline == row.name).cloned();
        let halted = halted.iter().find(|halted| halted.pipeline == row.name);
        let halted = halted.map(|halted| halted.reason.clone());
        let note = rooms::status(&row.name, db).await?;
        let waits = asker.waiting.get(row.name.as_str()).cloned();
        pipelines.push(PipelineFacts { row, positions, behind, rebuild, note, halted, waits });
    }
    Ok(StatusFacts {
        pipelines,
        clock: store_clock::load(db).await?,
        intake: intake::load(db).await?,
        outbox: outbox::depth(db).await?,
        parks: parks::all(db).await?,
        unsaved_edits: sqlx::query_scalar("select count(*) from publication")
            .fetch_one(&mut *db)
            .await?,
        dead_letters: dead_letters::summary(db).await?,
        strangers: sqlx::query_scalar("select count(*) from stranger").fetch_one(&mut *db).await?,
    })
}
