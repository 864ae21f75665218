//! What the store knows for the household's answers.

use futures_util::future::BoxFuture;
use sqlx::SqliteConnection;

use super::status::PipelineFacts;
use super::{Ask, Household, Known, LettersPage, StatusFacts};
use crate::rooms::turn::{Answers, Asker};
use crate::store::{
    StoreError, access, alerts, clock, dead_letters, intake, outbox, parks, past, positions,
};

/// Alerts that `/alerts` lists.
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
                Ask::Alerts => {
                    let newest = alerts::newest(db, ALERTS_SHOWN).await?;
                    let places = access::subscriptions(db).await?;
                    Known::Alerts(newest, places.contains(&asker.place))
                }
                Ask::Status => Known::Status(Box::new(status(db, asker).await?)),
                Ask::DeadLetters(page) => Known::DeadLetters(LettersPage::read(db, *page).await?),
                Ask::Start(_) => {
                    let refused = access::was_refused(db, asker.user_id).await?;
                    Known::Claim(access::claim(db, asker.user_id).await?, refused)
                }
                Ask::Stranger => Known::Refused(access::was_refused(db, asker.user_id).await?),
                _ => Known::Nothing,
            })
        })
    }
}

async fn status(db: &mut SqliteConnection, asker: &Asker) -> Result<StatusFacts, StoreError> {
    let rebuilds = past::progress(db).await?;
    let pipelines = positions::overview(db).await?.into_iter();
    let pipelines = pipelines.map(|(row, positions)| {
        let behind = asker.log_ends.as_ref().map(|ends| ends.behind(&positions));
        let rebuild = rebuilds.iter().find(|rebuild| rebuild.pipeline == row.name).cloned();
        PipelineFacts { row, positions, behind, rebuild }
    });
    Ok(StatusFacts {
        pipelines: pipelines.collect(),
        clock: clock::load(db).await?,
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
