//! Groups that an owner admitted, and those behind which nameless people were answered once.

use sqlx::SqliteConnection;

use super::StoreError;

/// A group whose people may look.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Admitted {
    pub chat_id: i64,
    /// As it was called when it was admitted: foreign text.
    pub title: String,
}

pub async fn admitted(db: &mut SqliteConnection) -> Result<Vec<Admitted>, StoreError> {
    let groups =
        sqlx::query_as("select chat_id, title from admitted_chat order by admitted_at, chat_id");
    Ok(groups.fetch_all(db).await?)
}

pub async fn admit(
    db: &mut SqliteConnection,
    chat_id: i64,
    title: &str,
    by_user: i64,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into admitted_chat (chat_id, title, admitted_by, admitted_at) values (?, ?, ?, ?)
         on conflict (chat_id) do update set title = excluded.title",
    )
    .bind(chat_id)
    .bind(title)
    .bind(by_user)
    .bind(now_ms)
    .execute(db)
    .await?;
    Ok(())
}

/// Have the nameless of this chat been told?
pub async fn told_nameless(db: &mut SqliteConnection, chat_id: i64) -> Result<bool, StoreError> {
    let told: Option<i64> = sqlx::query_scalar("select 1 from told_nameless where chat_id = ?")
        .bind(chat_id)
        .fetch_optional(db)
        .await?;
    Ok(told.is_some())
}

pub async fn tell_nameless(
    db: &mut SqliteConnection,
    chat_id: i64,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into told_nameless (chat_id, told_at) values (?, ?) on conflict do nothing",
    )
    .bind(chat_id)
    .bind(now_ms)
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets chats that were told before `before_ms`: they would be told anew.
pub async fn forget_nameless(db: &mut SqliteConnection, before_ms: i64) -> Result<(), StoreError> {
    sqlx::query("delete from told_nameless where told_at < ?").bind(before_ms).execute(db).await?;
    Ok(())
}
