//! What is not Telegram's changes nothing.

use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Row};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{PATH, SECRET, answered, behind_tunnel, post, started, stopped_cleanly};
use crate::bot::{Bot, OWNER};

/// Every row of every table but these, as text.
async fn contents(bot: &Bot, except: &[&str]) -> Vec<String> {
    let options =
        SqliteConnectOptions::new().filename(bot.data_dir().join("state.db")).read_only(true);
    let mut db = SqliteConnection::connect_with(&options).await.unwrap();
    let tables = "select name from sqlite_schema where type = 'table' order by name";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut db).await.unwrap();
    let mut contents = Vec::new();
    for table in tables.iter().filter(|table| !except.contains(&table.as_str())) {
        let columns = format!("select group_concat(name) from pragma_table_info('{table}')");
        let columns: String = sqlx::query_scalar(&columns).fetch_one(&mut db).await.unwrap();
        let values = columns.split(',').map(|column| format!("quote({column})"));
        let values = values.collect::<Vec<_>>().join(" || ',' || ");
        let rows = format!("select {values} from {table} order by 1");
        for row in sqlx::query(&rows).fetch_all(&mut db).await.unwrap() {
            contents.push(format!("{table}: {}", row.get::<String, _>(0)));
        }
    }
    contents
}

/// Every pipeline has read its tables and stored that it has caught up.
async fn at_rest(bot: &Bot) {
    let rooms = i64::try_from(windowsill::rooms::all().len()).unwrap();
    bot.counts("select count(*) from pipeline where caught_up_at is not null", rooms).await;
}

/// A request as bytes; what of it the server does not want to read may be lost. Gives the status.
async fn raw(bot: &Bot, head: &str, body: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(bot.http_address().await).await.unwrap();
    let length = body.len();
    let head = format!("{head}\r\nHost: bot\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(body).await;
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()["HTTP/1.1 ".len()..].parse().unwrap()
}

/// F24: no secret, a wrong one, a wrong path, a huge body, no JSON: refused, and nothing changes.
#[tokio::test]
async fn a_forged_call_is_refused_and_changes_nothing() {
    let (mut bot, tunnel) = behind_tunnel().await;
    started(&mut bot, &tunnel).await;
    bot.answers(OWNER, "/plants", "0 plants").await;
    answered(&bot, "0 plants", 1).await;
    at_rest(&bot).await;
    let before = contents(&bot, &["pipeline", "clock"]).await;

    let post = format!("POST {PATH} HTTP/1.1");
    let header = "X-Telegram-Bot-Api-Secret-Token";
    let known = format!("{post}\r\n{header}: {SECRET}");
    let update = json!({"update_id": 7, "message": {"message_id": 1, "date": 1,
        "chat": {"id": OWNER, "type": "private", "first_name": "A"},
        "from": {"id": OWNER, "is_bot": false, "first_name": "A"}, "text": "/plants"}});
    let update = update.to_string();
    let huge = vec![b' '; 10 * 1024 * 1024];
    let deep = "[".repeat(100_000);
    let shorter = &SECRET[..SECRET.len() - 1];
    let cases: [(String, &[u8], u16); 13] = [
        (post.clone(), update.as_bytes(), 401),
        (format!("{post}\r\n{header}: "), update.as_bytes(), 401),
        (format!("{post}\r\n{header}: {shorter}"), update.as_bytes(), 401),
        (format!("{post}\r\n{header}: {SECRET}x"), update.as_bytes(), 401),
        (post.clone(), &huge, 401),
        (known.replace(PATH, "/hook"), update.as_bytes(), 404),
        (known.replace(PATH, &format!("{PATH}/")), update.as_bytes(), 404),
        (known.replace("POST", "GET"), b"", 405),
        (known.clone(), &huge, 413),
        (known.clone(), b"update_id=7", 400),
        (known.clone(), deep.as_bytes(), 400),
        (known.clone(), b"", 400),
        (known.clone(), br#"{"message":{"text":"/plants"}}"#, 400),
    ];
    for (head, body, expected) in cases {
        assert_eq!(raw(&bot, &head, body).await, expected, "{head}");
    }
    assert_eq!(contents(&bot, &["pipeline", "clock"]).await, before);
    stopped_cleanly(&bot).await;
    assert_eq!(bot.times_said(OWNER, "0 plants"), 1);
}

/// F24: kinds that nobody knows are taken and passed over; a replayed update is handled once.
#[tokio::test]
async fn unknown_kinds_are_passed_over_and_a_replayed_update_is_handled_once() {
    let (mut bot, tunnel) = behind_tunnel().await;
    started(&mut bot, &tunnel).await;
    bot.answers(OWNER, "/help", "What I can do").await;
    answered(&bot, "What I can do", 1).await;
    at_rest(&bot).await;
    let quiet = ["inbox", "pipeline", "clock"];
    let before = contents(&bot, &quiet).await;
    for (update_id, kind) in [(70, "poll_answer"), (71, "something_new")] {
        let update = json!({"update_id": update_id, kind: {"words": "Zq7Sentinel"}});
        assert_eq!(post(&bot, &update).await, 200);
    }
    assert_eq!(contents(&bot, &quiet).await, before);
    assert!(!contents(&bot, &[]).await.iter().any(|row| row.contains("Zq7Sentinel")));

    let update = json!({"update_id": 72, "message": {"message_id": 1, "date": 1,
        "chat": {"id": OWNER, "type": "private", "first_name": "A"},
        "from": {"id": OWNER, "is_bot": false, "first_name": "A"}, "text": "/plants"}});
    assert_eq!(post(&bot, &update).await, 200);
    answered(&bot, "0 plants", 1).await;
    assert_eq!(post(&bot, &update).await, 200);
    bot.kill().await;
    started(&mut bot, &tunnel).await;
    assert_eq!(post(&bot, &update).await, 200);
    bot.answers(OWNER, "/help", "What I can do").await;
    answered(&bot, "0 plants", 1).await;
    stopped_cleanly(&bot).await;
}
