//! Invitations: each lets one person in, once, within its time; wrong codes are counted.
//!
//! Invariant: an invitation leaves the table in the transaction that makes its person a member.

use sqlx::SqliteConnection;

use super::StoreError;

/// How the codes stand for somebody who tries one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Who invited, where the code is an open invitation.
    pub invited_by: Option<i64>,
    /// Wrong tries of this person, and of everybody.
    pub tries_of_user: i64,
    pub tries_in_all: i64,
}

/// Opens an invitation; what was tried in vain before is forgiven.
pub async fn open(
    db: &mut SqliteConnection,
    code: &str,
    invited_by: i64,
    expires_at: i64,
) -> Result<(), StoreError> {
    sqlx::query("delete from invite_try").execute(&mut *db).await?;
    sqlx::query("insert into invite (code, invited_by, expires_at) values (?, ?, ?)")
        .bind(code)
        .bind(invited_by)
        .bind(expires_at)
        .execute(db)
        .await?;
    Ok(())
}

pub async fn attempt(
    db: &mut SqliteConnection,
    code: &str,
    user_id: i64,
    now_ms: i64,
) -> Result<Attempt, StoreError> {
    let invited_by =
        sqlx::query_scalar("select invited_by from invite where code = ? and expires_at > ?")
            .bind(code)
            .bind(now_ms)
            .fetch_optional(&mut *db)
            .await?;
    let (tries_of_user, tries_in_all) = sqlx::query_as(
        "select coalesce(sum(tries) filter (where user_id = ?), 0), coalesce(sum(tries), 0)
           from invite_try",
    )
    .bind(user_id)
    .fetch_one(db)
    .await?;
    Ok(Attempt { invited_by, tries_of_user, tries_in_all })
}

/// Is this still an open invitation?
pub async fn is_open(
    db: &mut SqliteConnection,
    code: &str,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let open: Option<i64> =
        sqlx::query_scalar("select 1 from invite where code = ? and expires_at > ?")
            .bind(code)
            .bind(now_ms)
            .fetch_optional(db)
            .await?;
    Ok(open.is_some())
}

/// How many invitations are open.
pub async fn count(db: &mut SqliteConnection, now_ms: i64) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar("select count(*) from invite where expires_at > ?")
        .bind(now_ms)
        .fetch_one(db)
        .await?)
}

/// The invitation has brought its person.
pub async fn spend(db: &mut SqliteConnection, code: &str) -> Result<(), StoreError> {
    sqlx::query("delete from invite where code = ?").bind(code).execute(db).await?;
    Ok(())
}

pub async fn count_wrong(
    db: &mut SqliteConnection,
    user_id: i64,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into invite_try (user_id, tries, tried_at) values (?, 1, ?)
         on conflict (user_id) do update set tries = tries + 1, tried_at = excluded.tried_at",
    )
    .bind(user_id)
    .bind(now_ms)
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets invitations whose time is over, and wrong tries from before `before_ms`.
pub async fn forget(
    db: &mut SqliteConnection,
    now_ms: i64,
    before_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query("delete from invite where expires_at <= ?").bind(now_ms).execute(&mut *db).await?;
    sqlx::query("delete from invite_try where tried_at < ?").bind(before_ms).execute(db).await?;
    Ok(())
}
