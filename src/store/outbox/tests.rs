//! What is stored of what is to be sent, and what goes beside it.

use super::*;
use crate::store::{Store, Urgency};

#[test]
fn a_row_of_a_version_without_pictures_reads_as_text() {
    let stored = r#"{"text":{"lines":[[{"style":"Plain","text":"hello"}]]},"keyboard":[],
        "silent":true}"#;
    let body: Body = serde_json::from_str(stored).unwrap();
    assert_eq!(body, Body { silent: true, ..Body::plain(Text::of("hello")) });
    assert!(!serde_json::to_string(&body).unwrap().contains("picture"));
}

#[test]
fn a_picture_of_a_later_version_leaves_the_text() {
    let stored = r#"{"text":{"lines":[[{"style":"Plain","text":"hello"}]]},"keyboard":[],
        "silent":false,"picture":{"title":"x","drawing":{"kind":"hologram"}}}"#;
    let body: Body = serde_json::from_str(stored).unwrap();
    assert_eq!(body, Body::plain(Text::of("hello")));
}

const CHAT: Place = Place { chat_id: 7, thread_id: None };

/// What may be sent next in the chat, and for which of them somebody waits.
async fn heads_of(store: &Store) -> Vec<(Lane, bool)> {
    let heads = store.read(|db| Box::pin(async move { heads(db, 1).await })).await.unwrap();
    heads.rows.iter().map(|row| (row.line().lane, row.somebody_waits)).collect()
}

#[tokio::test]
async fn a_reaction_and_an_answer_to_an_inline_query_hold_up_no_message() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).await.unwrap();
    let put = store.write(Urgency::People, |db| {
        Box::pin(async move {
            react(db, CHAT, 40, Some("👀"), 0).await?;
            let answer = Call { method: ANSWER_INLINE.to_owned(), params: Value::Null };
            answer_inline(db, CHAT, answer, 0, 10_000).await?;
            say(db, CHAT, Class::Reply, Target::New, &Say::new(Text::of("saved")), 0).await
        })
    });
    put.await.unwrap();
    let expected = [(Lane::Reactions, false), (Lane::Inline, true), (Lane::Messages, true)];
    assert_eq!(heads_of(&store).await, expected);
}

#[tokio::test]
async fn of_what_somebody_types_the_newest_is_answered_and_no_answer_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).await.unwrap();
    let put = store.write(Urgency::People, |db| {
        Box::pin(async move {
            for typed in ["c", "cy"] {
                let params = serde_json::json!({ "inline_query_id": typed });
                let answer = Call { method: ANSWER_INLINE.to_owned(), params };
                answer_inline(db, CHAT, answer, 0, 10_000).await?;
            }
            Ok(heads(db, 1).await?.rows)
        })
    });
    let rows = put.await.unwrap();
    let [Row { id, action: Action::Call(call), .. }] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!(call.params["inline_query_id"], "cy");
    let row_id = *id;
    let bodies = store.write(Urgency::People, move |db| {
        Box::pin(async move {
            mark_sent(db, row_id, None, Now::apart(1)).await?;
            Ok(sqlx::query_scalar::<_, String>("select body from outbox").fetch_all(db).await?)
        })
    });
    assert_eq!(bodies.await.unwrap(), ["", ""]);
}
