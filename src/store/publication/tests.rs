//! What the message that confirmed edits shows, whatever becomes of them.

use super::*;
use crate::kernel::effect::EditRecord;
use crate::store::positions::{self, Position};
use crate::store::{Store, Urgency};

const TOPIC: &str = "houseplant-metadata";
const CHAT: i64 = 7;
const MESSAGE: i32 = 40;
const SLOW_MS: i64 = QUEUED_AFTER_MS;

/// A store with edits that the same message confirmed, one record each.
async fn confirmed(edits: usize) -> (Store, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).await.unwrap();
    let publish = Publish {
        topic: TOPIC,
        records: vec![EditRecord { key: b"7".to_vec(), value: None }],
        saved: Text::of("saved"),
        queued: Text::of("queued"),
    };
    let add = store.write(Urgency::People, move |db| {
        Box::pin(async move {
            for _ in 0..edits {
                add(db, Place::private(CHAT), &publish, Some(MESSAGE), 0).await?;
            }
            Ok(())
        })
    });
    add.await.unwrap();
    (store, dir)
}

/// What becomes of an edit next, by its number, which is also its record's.
#[derive(Clone, Copy)]
enum Step {
    /// Two seconds have passed.
    Waits,
    /// Its record is in the log, and the table reader has passed it.
    Saved(i64),
    /// It can never be in the log.
    Fails(i64),
}

async fn go_on(store: &Store, steps: &[Step]) {
    for step in steps.iter().copied() {
        let write = store.write(Urgency::People, move |db| {
            Box::pin(async move {
                match step {
                    Step::Waits => say_queued(db, SLOW_MS).await,
                    Step::Fails(edit_id) => fail(db, edit_id, "too old", SLOW_MS).await,
                    Step::Saved(id) => {
                        let passed = Position {
                            topic: TOPIC.to_owned(),
                            partition: 0,
                            log_id: "log".to_owned(),
                            next_offset: id + 1,
                            last_ts_ms: None,
                            greatest_event_ms: None,
                            records: 1,
                            late: 0,
                        };
                        positions::advance(db, "plants", &passed).await?;
                        let place = Placed { partition: 0, offset: id };
                        mark_placed(db, "log", &[(id, place)], SLOW_MS).await
                    }
                }
            })
        });
        write.await.unwrap();
    }
}

/// The reactions that are still to be set, oldest first; an empty one takes what was shown away.
async fn shown(store: &Store) -> Vec<String> {
    let read = store.read(|db| {
        Box::pin(async move {
            Ok(sqlx::query_scalar(
                "select coalesce(json_extract(body, '$.params.reaction[0].emoji'), '') from outbox
                  where lane = 'reactions' and state = 'waiting'
                    and json_extract(body, '$.params.chat_id') = 7
                    and json_extract(body, '$.params.message_id') = 40
                  order by id",
            )
            .fetch_all(db)
            .await?)
        })
    });
    read.await.unwrap()
}

#[tokio::test]
async fn a_message_shows_what_is_queued_and_then_what_is_saved() {
    let (store, _dir) = confirmed(1).await;
    assert!(shown(&store).await.is_empty());
    go_on(&store, &[Step::Waits]).await;
    assert_eq!(shown(&store).await, [QUEUED]);
    go_on(&store, &[Step::Saved(1)]).await;
    assert_eq!(shown(&store).await, [SAVED], "what waited to be shown is overtaken");
}

#[tokio::test]
async fn a_message_that_confirmed_two_edits_says_saved_when_both_are() {
    let (store, _dir) = confirmed(2).await;
    go_on(&store, &[Step::Waits, Step::Saved(1)]).await;
    assert_eq!(shown(&store).await, [QUEUED]);
    go_on(&store, &[Step::Saved(2)]).await;
    assert_eq!(shown(&store).await, [SAVED]);
}

#[tokio::test]
async fn an_edit_that_fails_takes_away_what_was_shown_and_another_one_shows_nothing_for_it() {
    let (store, _dir) = confirmed(2).await;
    go_on(&store, &[Step::Waits, Step::Fails(1)]).await;
    assert_eq!(shown(&store).await, [""]);
    go_on(&store, &[Step::Saved(2)]).await;
    assert_eq!(shown(&store).await, [""]);
}

#[tokio::test]
async fn an_edit_that_fails_at_once_has_shown_nothing() {
    let (store, _dir) = confirmed(1).await;
    go_on(&store, &[Step::Fails(1)]).await;
    assert!(shown(&store).await.is_empty());
}
