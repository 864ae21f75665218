//! On which log the pumps append, and on which they do not.

use serde_json::json;

use super::super::*;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::engine::{EngineSettings, Ground};
use crate::kernel::chat::Place;
use crate::kernel::effect::{EditRecord, Publish};
use crate::kernel::text::Text;
use crate::kernel::topic::{Format, TopicKind, TopicSpec};
use crate::log::embedded::EmbeddedLog;
use crate::log::topics::Topics;
use crate::store::Store;
use crate::store::positions::{self, Position};

const NAMES: &str = "names";
const COLOURS: &str = "colours";

fn table(name: &'static str) -> TopicSpec {
    TopicSpec {
        name,
        kind: TopicKind::Table,
        kafka_partitions: 1,
        format: Format::Json,
        stall_after_ms: None,
        check: |_, _, _| Ok(()),
        value_line: |_| Ok(None),
    }
}

/// A workshop with an edit of each of two tables, the names' first.
async fn workshop(dir: &std::path::Path) -> Workshop {
    let log = EmbeddedLog::open(&dir.join("log.db")).await.unwrap();
    let topics = Topics::of_config(&[table(NAMES), table(COLOURS)], &Config::default()).unwrap();
    topics.create(&log).await.unwrap();
    let store = Store::open(dir).await.unwrap();
    let edits = store.write(Urgency::People, |db| {
        Box::pin(async move {
            for topic in [NAMES, COLOURS] {
                let value = Some(json!({"is": "new"}));
                let records = vec![EditRecord { key: b"k".to_vec(), value }];
                let (saved, queued) = (Text::of("saved"), Text::of("queued"));
                let publish = Publish { topic, records, saved, queued };
                publication::add(db, Place::private(7), &publish, None, 1).await?;
            }
            Ok(())
        })
    });
    edits.await.unwrap();
    Workshop {
        log: Arc::new(log),
        store,
        topics,
        ground: Ground::default(),
        clock: Arc::new(SystemClock),
        settings: EngineSettings { clock_lag_ms: 0, alert_max_age_ms: 0 },
    }
}

/// The topics that hold anything.
async fn written(workshop: &Workshop) -> Vec<String> {
    let stats = workshop.log.topics().await.unwrap().into_iter();
    stats.filter(|stat| stat.records > 0).map(|stat| stat.name).collect()
}

/// A pipeline that reads the topic has come so far in it.
async fn has_read(workshop: &Workshop, topic: &'static str, next_offset: i64) {
    let log_id = workshop.log.id().await.unwrap();
    let position = Position {
        topic: topic.to_owned(),
        partition: 0,
        log_id,
        next_offset,
        last_ts_ms: None,
        greatest_event_ms: None,
        records: 0,
        late: 0,
    };
    let moved = workshop.store.write(Urgency::Bulk, move |db| {
        Box::pin(async move { positions::advance(db, "painters", &position).await })
    });
    moved.await.unwrap();
}

#[tokio::test]
async fn an_edit_waits_while_no_pipeline_stands_on_the_log_and_holds_up_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let workshop = workshop(dir.path()).await;
    assert!(append_edits(&workshop).await.unwrap().is_none());
    assert_eq!(written(&workshop).await, [""; 0]);
    let log_id: Arc<str> = workshop.log.id().await.unwrap().into();
    workshop.ground.enter("painters", vec![COLOURS], log_id.clone());
    let appended = append_edits(&workshop).await.unwrap().unwrap();
    mark(&workshop, appended).await.unwrap();
    assert_eq!(written(&workshop).await, [COLOURS]);
    assert!(append_edits(&workshop).await.unwrap().is_none());
    // It has to look again, and what waits does so with it.
    workshop.ground.enter("namers", vec![NAMES], log_id);
    workshop.ground.leave("namers");
    assert!(append_edits(&workshop).await.unwrap().is_none());
    assert_eq!(written(&workshop).await, [COLOURS]);
}

#[tokio::test]
async fn nothing_is_appended_to_another_log_or_to_a_topic_that_is_shorter_than_what_was_read() {
    let dir = tempfile::tempdir().unwrap();
    let workshop = workshop(dir.path()).await;
    workshop.ground.enter("namers", vec![NAMES], "another".into());
    let log_id: Arc<str> = workshop.log.id().await.unwrap().into();
    workshop.ground.enter("painters", vec![COLOURS], log_id);
    has_read(&workshop, COLOURS, 3).await;
    let other = append_edits(&workshop).await.unwrap_err();
    assert!(matches!(other, EngineError::OtherLog { pipeline: "namers", .. }), "{other}");
    let shorter = append_edits_of(&workshop, COLOURS.to_owned()).await.unwrap_err();
    assert!(error_chain(&shorter).contains("ends at offset 0"), "{shorter}");
    assert_eq!(written(&workshop).await, [""; 0]);
    // A first topic that waits for somebody keeps no other from going on.
    has_read(&workshop, COLOURS, 0).await;
    let appended = append_edits(&workshop).await.unwrap().unwrap();
    mark(&workshop, appended).await.unwrap();
    assert_eq!(written(&workshop).await, [COLOURS]);
}

/// The old position lies beyond the place, and still nobody has read it there.
#[tokio::test]
async fn saved_is_said_of_the_log_in_which_it_was_read_alone() {
    let dir = tempfile::tempdir().unwrap();
    let workshop = workshop(dir.path()).await;
    has_read(&workshop, NAMES, 12).await;
    let placed = vec![(1, Placed { partition: 0, offset: 0 })];
    for (log_id, left) in [("another".into(), 2), (workshop.log.id().await.unwrap().into(), 1)] {
        let settled = Settled { placed: placed.clone(), never: Vec::new() };
        mark(&workshop, Appended::Edits(log_id, settled)).await.unwrap();
        let count = workshop.store.read(|db| {
            Box::pin(async move {
                let count: i64 =
                    sqlx::query_scalar("select count(*) from edit").fetch_one(db).await?;
                Ok(count)
            })
        });
        assert_eq!(count.await.unwrap(), left);
    }
}
